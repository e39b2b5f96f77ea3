"""What a reader of the paper would most want to know, in sentences that the digests fill."""

from pathlib import Path

from reproduction import headline
from reproduction.digest import read_digest
from reproduction.statistics import mean_accuracy


def findings(results: Path) -> str:
    """Return goals that were missed, each with its best figure; nothing where all were reached."""
    missed = []
    for name, goal in headline.GOALS.items():
        runs = read_digest(name, results)
        if runs.empty:
            continue
        means = {o: mean_accuracy(rows) for o, rows in runs.groupby("optimizer", sort=False)}
        best = max((mean.mean for mean in means.values() if mean is not None), default=0.0)
        if best < goal:
            missed.append(f"- {headline.TITLES[name]}: {best:.2f} % of {goal} %.")
    return "" if not missed else "**Goals missed**\n\n" + "\n".join(missed) + "\n"
