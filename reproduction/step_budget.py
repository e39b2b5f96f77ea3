"""The other reading of "using only 1 %": every image is a candidate, a step uses few of them."""

from pathlib import Path

import pandas as pd

from dba_cli.comparison import Estimate, mean_with_interval
from dba_cli.plots import learning_curves
from reproduction.choose import best_points, draw_of, rate
from reproduction.digest import read_digest, read_histories
from reproduction.figures import lines, save_figure
from reproduction.markdown import command, diverged, interval, number, p_value, picture, table
from reproduction.paper import ACCURACY
from reproduction.statistics import Difference, difference, holm, mean_accuracy, reach

BASELINES = ("sgd", "adam")
TARGET = 0.94
POINTS = {"1pct": "at most 600 images a step", "10_per_class": "at most 100 images a step"}


def fewest_errors(results: Path) -> dict[tuple[str, str], str]:
    """Return, by new point and optimizer, the tuning's point with the fewest validation errors."""
    runs = read_digest("step_budget_tuning", results)
    runs = runs.assign(
        cell=[_point(draw_of(p), h[0]) for p, h in zip(runs.point, runs["model.hidden"], strict=True)]
    )
    best = best_points(runs, "cell")
    return {
        (cell, name): point for cell, name, point in zip(best.cell, best.optimizer, best.point, strict=True)
    }


def cells(results: Path) -> dict[tuple[str, int, str], pd.DataFrame]:
    """Return the runs by draw, hidden units and optimizer."""
    runs = read_digest("step_budget", results)
    if runs.empty:
        return {}
    return {
        (draw_of(str(point)), rows["model.hidden"].iloc[0][0], str(name)): rows
        for (point, name), rows in runs.groupby(["point", "optimizer"], sort=False)
    }


def comparisons(results: Path) -> dict[tuple[str, int, str, str], tuple[Difference, float]]:
    """Return the paired difference of every DBA entry to each baseline, and its p by Holm among all of them.

    The keys are draw, hidden units, DBA entry and baseline.
    """
    found = cells(results)
    differences = {
        (draw, hidden, name, baseline): each
        for (draw, hidden, name), runs in found.items()
        if name not in BASELINES
        for baseline in BASELINES
        if (each := difference(runs, found[draw, hidden, baseline])) is not None
    }
    adjusted = holm([each.p for each in differences.values()])
    return {key: (each, p) for (key, each), p in zip(differences.items(), adjusted, strict=True)}


def best(results: Path, draw: str) -> tuple[tuple[str, int, str], Estimate]:
    """Return draw, hidden units and name of the DBA entry with the best mean, and that mean."""
    means = {
        key: mean
        for key, rows in cells(results).items()
        if key[0] == draw and key[2] not in BASELINES and (mean := mean_accuracy(rows)) is not None
    }
    return max(means.items(), key=lambda each: each[1].mean)


def times(results: Path, draw: str, hidden: int = 100) -> dict[tuple[str, str], float]:
    """Return the median steps and seconds to ``TARGET``, by optimizer and column."""
    rows = read_histories("step_budget", results)
    here = rows[rows.point == _point(draw, hidden)]
    return {
        (str(name), column): reach(runs, TARGET, column)
        for name, runs in here.groupby("optimizer")
        for column in ("step", "seconds")
    }


def section(results: Path) -> str:
    """Return the report's section."""
    runs, tuning = read_digest("step_budget", results), read_digest("step_budget_tuning", results)
    against = comparisons(results)
    rows = [
        [
            f"{POINTS[draw]}, {hidden} hidden: {name}",
            rate(here, tuning),
            *(interval(_at(results, draw, hidden, name, step)) for step in (200, 500)),
            number(times(results, draw, hidden)[name, "step"]),
            interval(mean_accuracy(here)) + diverged(here),
            *(_difference(against.get((draw, hidden, name, baseline))) for baseline in BASELINES),
        ]
        for (draw, hidden, name), here in cells(results).items()
    ]
    header = ["", "learning rate", "after 200, %", "after 500, %", f"steps to {100 * TARGET:g} %", "end, %"]
    header += [f"less {baseline}, points" for baseline in BASELINES]
    return (
        "All 60 000 images are candidates; SGD (momentum 0.9) and Adam step on random subsets of the same "
        "size. The limit holds for each layer, and layers may choose different images. The largest "
        "projections on the mean gradient are large gradients, which alone act as a higher learning rate: so "
        "every entry has the one of five rates that made the fewest errors on the validation split, on "
        f"other seeds. 600 steps, mean of {runs.seed.nunique()} seeds; p is Holm's for the {len(against)} "
        "differences. These networks see every training image and label: the figures are no figures for 600 "
        "or 100 labels. Whether the paper means this protocol, its abstract does not say.\n\n"
        + table(header, rows)
        + "\n"
        + "\n".join(_reached(results, draw) for draw in POINTS)
        + "\n"
        + command(
            *(f"dba sweep configs/reproduce/{name}.yaml" for name in ("step_budget_tuning", "step_budget"))
        )
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
        here = histories[histories.point == _point(draw, 100)]
        if len(here):
            names = list(dict.fromkeys(here.optimizer))
            save_figure(learning_curves(lines(here, names), "steps"), _figure(draw), folder)


def _reached(results: Path, draw: str) -> str:
    """Return which entries have the paper's figure: not all of them select."""
    paper = ACCURACY[draw]
    names = [
        f"{name} with {hidden} hidden units"
        for (where, hidden, name), runs in cells(results).items()
        if where == draw and (mean := mean_accuracy(runs)) is not None and mean.mean >= paper
    ]
    return f"The paper's {paper} %, {POINTS[draw]}, is the mean or less of: {', '.join(names) or 'none'}.\n"


def _difference(found: tuple[Difference, float] | None) -> str:
    return "-" if found is None else f"{interval(found[0].estimate, sign=True)} (p {p_value(found[1])})"


def _point(draw: str, hidden: int) -> str:
    return f"{draw}_hidden_{hidden}"


def _figure(draw: str) -> str:
    return f"step_budget_{draw}"


def _at(results: Path, draw: str, hidden: int, name: str, step: int) -> Estimate | None:
    rows = read_histories("step_budget", results)
    here = rows[(rows.point == _point(draw, hidden)) & (rows.optimizer == name) & (rows.step == step)]
    return mean_with_interval((100 * here.accuracy).tolist()) if len(here) else None
