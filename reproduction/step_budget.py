"""The other reading of "using only 1 %": every image is a candidate, a step uses few of them."""

from pathlib import Path

import pandas as pd

from dba_cli.comparison import Estimate
from dba_cli.plots import learning_curves
from reproduction.digest import read_digest, read_histories
from reproduction.figures import lines, save_figure
from reproduction.markdown import command, interval, picture, table
from reproduction.statistics import difference, mean_accuracy, reach

POINTS = {"1pct": "at most 600 images a step", "10_per_class": "at most 100 images a step"}


def cells(results: Path) -> dict[tuple[str, int, str], pd.DataFrame]:
    """Return the runs by draw, hidden units and optimizer."""
    runs = read_digest("step_budget", results)
    if runs.empty:
        return {}
    return {
        (draw, hidden, name): rows
        for draw in POINTS
        for hidden, here in runs[runs.point.str.startswith(draw)].groupby(runs["model.hidden"].str[0])
        for name, rows in here.groupby("optimizer", sort=False)
    }


def best(results: Path, draw: str) -> tuple[str, Estimate, Estimate | None]:
    """Return the best DBA entry, its mean, and its paired difference to SGD on random subsets."""
    found = cells(results)
    means = {
        key: mean
        for key, rows in found.items()
        if key[0] == draw and key[2] not in ("sgd", "adam") and (mean := mean_accuracy(rows)) is not None
    }
    key = max(means, key=lambda each: means[each].mean)
    against = difference(found[key], found[draw, key[1], "sgd"])
    name = f"{key[2]}, {key[1]} hidden units"
    return name, means[key], None if against is None else against.estimate


def times(results: Path, draw: str, target: float) -> dict[tuple[str, str], float]:
    """Return the median steps and seconds to ``target`` with 100 hidden units, by optimizer and column."""
    rows = read_histories("step_budget", results)
    here = rows[rows.point.str.startswith(f"{draw}_hidden-100-")]
    return {
        (str(name), column): reach(runs, target, column)
        for name, runs in here.groupby("optimizer")
        for column in ("step", "seconds")
    }


def section(results: Path) -> str:
    """Return the report's section."""
    found = cells(results)
    rows = []
    for (draw, hidden, name), runs in found.items():
        against = difference(runs, found[draw, hidden, "sgd"]) if name not in ("sgd", "adam") else None
        final = runs.steps.max()
        rows.append(
            [
                f"{POINTS[draw]}, {hidden} hidden: {name}",
                f"{final:.0f}",
                *(interval(_at(results, draw, hidden, name, step)) for step in (200, 500)),
                interval(mean_accuracy(runs)),
                "-" if against is None else interval(against.estimate, sign=True),
            ]
        )
    header = ["", "steps", "after 200, %", "after 500, %", "end, %", "less sgd, points"]
    return (
        "All 60 000 images are candidates; SGD (momentum 0.9) and Adam step on random subsets of the same "
        "size. The limit holds for each layer, and layers may choose different images. Mean of 3 seeds, "
        "nothing tuned. These networks see every training image and label: the figures are no figures for "
        "600 or 100 labels. Whether the paper means this protocol, its abstract does not say.\n\n"
        + table(header, rows)
        + "\n"
        + command("dba sweep configs/reproduce/step_budget.yaml")
        + "\n"
        + "\n".join(
            picture(_figure(draw), f"Step budget, {text}, 100 hidden units: test accuracy against steps")
            for draw, text in POINTS.items()
        )
    )


def draw_figures(results: Path, folder: Path) -> None:
    """Draw the curves for 100 hidden units."""
    histories = read_histories("step_budget", results)
    for draw in POINTS:
        here = histories[histories.point.str.startswith(f"{draw}_hidden-100-")]
        if len(here):
            names = list(dict.fromkeys(here.optimizer))
            save_figure(learning_curves(lines(here, names), "steps"), _figure(draw), folder)


def _figure(draw: str) -> str:
    return f"step_budget_{draw}"


def _at(results: Path, draw: str, hidden: int, name: str, step: int) -> Estimate | None:
    from dba_cli.comparison import mean_with_interval

    rows = read_histories("step_budget", results)
    here = rows[
        rows.point.str.startswith(f"{draw}_hidden-{hidden}-") & (rows.optimizer == name) & (rows.step == step)
    ]
    return mean_with_interval((100 * here.accuracy).tolist()) if len(here) else None
