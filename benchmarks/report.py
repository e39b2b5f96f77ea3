"""From timings to tables and a plot."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from harness import ratio, table, verdict, wide

mpl.use("Agg")
from matplotlib import pyplot as plt

TARGETS = {("MLP 784-800-10", 100): 1.2, ("MLP 784-800-10", 200): 1.35, ("MLP 784-800-10", 1000): 1.9}
PEER_TARGETS = {"vmap": 30, "opacus": 5, "backpack": 5}
PEER_TARGET_CASE = ("MLP 784-800-10", 200)
MEMORY_TARGET = 1.3


def write_report(folder: Path, frames: dict[str, pd.DataFrame], run: dict[str, object]) -> None:
    """Write step_cost.md, .png and .svg."""
    sections = [
        _head(run),
        _own_table(frames["timings"]),
        _peer_table(frames, run),
        _memory_table(frames),
        _parts_table(frames),
    ]
    (folder / "step_cost.md").write_text("\n\n".join(s for s in sections if s) + "\n")
    _plot(frames["timings"], folder)


def cases(timings: pd.DataFrame, which: str) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Yield network, batch size and seconds by round and contestant."""
    for (network, n), case in timings[timings["table"] == which].groupby(["network", "n"], sort=False):
        yield network, n, wide(case)


def _head(run: dict[str, object]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return (
        "# Cost of a DBA step\n\n"
        "Regenerate with `python benchmarks/step_cost.py`. One thread, float32, SGD with momentum, "
        "forward to optimizer step included. DBA: metric snr, order alignment, min_fraction 0.25, scope "
        f"layer. Ratios are medians over {run['rounds']} rounds in which the contestants alternate "
        f"({run['peer_rounds']} for the peers), with the quartiles in brackets.\n\n"
        f"{run['cpu']} ({run['capability']}), {run['platform']}; {versions}."
    )


def _own_table(timings: pd.DataFrame) -> str:
    rows = []
    for network, n, seconds in cases(timings, "own"):
        ms = 1000 * seconds.median()
        rows.append(
            {
                "network": network,
                "n": n,
                "plain, ms": f"{ms['plain']:.2f}",
                "DBA, ms": f"{ms['dba']:.2f}",
                "DBA / plain": ratio(seconds, "dba", "plain"),
                "without oneDNN's product": ratio(seconds, "dba (BLAS)", "plain (BLAS)"),
                "target": verdict((seconds["dba"] / seconds["plain"]).median(), TARGETS.get((network, n))),
            }
        )
    return (
        "## DBA step over plain step\n\n" + table(rows) + "\n\n"
        "Linear layers multiply with oneDNN where torch has it, in the plain step as in DBA's; in the column "
        "without it both use the BLAS that plain PyTorch uses. The weight gradient is computed for the "
        "chosen samples only, which pays for part of the Gram matrices."
    )


def _peer_table(frames: dict[str, pd.DataFrame], run: dict[str, object]) -> str:
    agreement = frames["agreement"].set_index(["network", "n", "contestant"])["largest weight difference"]
    rows = []
    for network, n, seconds in cases(frames["timings"], "peers"):
        for peer in [name for name in seconds if "plain" not in name and "dba" not in name]:
            target = PEER_TARGETS.get(peer) if (network, n) == PEER_TARGET_CASE else None
            rows.append(
                {
                    "network": network,
                    "n": n,
                    "peer": peer,
                    "ms": f"{1000 * seconds[peer].median():.1f}",
                    "peer / DBA": ratio(seconds, peer, "dba", digits=1),
                    "same selection": "yes" if agreement[network, n, peer] < 1e-6 else "**no**",
                    "target": verdict((seconds[peer] / seconds["dba"]).median(), target, at_least=True),
                }
            )
    if not rows:
        return ""
    notes = [f"- {peer} on {net}: {why}" for net, out in run["excluded"].items() for peer, why in out.items()]
    missing = "\n\nNot taking part:\n\n" + "\n".join(notes) if notes else ""
    return (
        "## The same selection with the peers' per-sample gradients\n\n"
        "Each peer computes every per-sample gradient of the same batch with its own library; Gram matrices, "
        "rule, weighted sum and optimizer are then the same. That the sample weights are equal is checked in "
        "the first step of each case.\n\n" + table(rows) + missing
    )


def _memory_table(frames: dict[str, pd.DataFrame]) -> str:
    memory = frames["memory"]
    if memory.empty:
        return ""
    rows = []
    for (network, n), case in memory.groupby(["network", "n"], sort=False):
        by_name = case.set_index("contestant")
        plain = by_name.loc["plain"]
        for name, row in by_name.iterrows():
            relative = row.total / plain.total
            rows.append(
                {
                    "network": network,
                    "n": n,
                    "contestant": name,
                    "peak of the process, MiB": f"{row.total:.0f}",
                    "of it in the steps, MiB": f"{row.steps:.0f}",
                    "peak / plain": f"{relative:.2f}",
                    "steps / plain": f"{row.steps / plain.steps:.2f}",
                    "target": verdict(relative, MEMORY_TARGET) if name == "dba" else "",
                }
            )
    return (
        "## Peak memory\n\nResident memory of a process of its own that takes five steps, the first with "
        "the check against autograd. The target is on the process; beside it the growth in the steps, which "
        "on its own is above 1.3 times a plain step's in most cases: most of the process is torch itself.\n\n"
        + table(rows)
    )


def _parts_table(frames: dict[str, pd.DataFrame]) -> str:
    medians = frames["parts"].groupby(["network", "n", "part"], sort=False)["seconds"].median() * 1000
    wide = medians.unstack(sort=False).map("{:.2f}".format).reset_index()
    return "## Time by part, ms\n\n" + table(wide.to_dict("records"))


def _plot(timings: pd.DataFrame, folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    found = {(network, n): seconds["dba"] / seconds["plain"] for network, n, seconds in cases(timings, "own")}
    quartiles = pd.DataFrame(found).quantile([0.25, 0.5, 0.75]).T
    for network in quartiles.index.unique(0):
        case = quartiles.loc[network]
        (line,) = axes.plot(case.index, case[0.5], marker="o", label=network)
        axes.fill_between(case.index, case[0.25], case[0.75], color=line.get_color(), alpha=0.2, linewidth=0)
    for (network, n), target in TARGETS.items():
        label = f"targets, {network}" if n == min(k for _, k in TARGETS) else None
        axes.plot([n], [target], linestyle="none", marker="v", color="black", label=label)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    sizes = sorted(quartiles.index.unique(1))
    axes.set_xticks(sizes, [str(n) for n in sizes], minor=False)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch size n")
    axes.set_ylabel("DBA step / plain step")
    axes.set_title("Cost of a DBA step on one core (median, quartiles)")
    axes.legend(frameon=False)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"step_cost.{kind}", dpi=150)
    plt.close(figure)
