"""Claim 5: steps, samples and seconds to fixed accuracies."""

from pathlib import Path

import pandas as pd

from dba_cli.plots import learning_curves, targets
from reproduction.choose import rate
from reproduction.digest import read_digest, read_histories
from reproduction.figures import lines, save_figure
from reproduction.markdown import command, number, picture, table
from reproduction.statistics import reach

# Declared before any run was looked at; accuracies as fractions.
TARGETS = {"1pct": (0.80, 0.85, 0.87), "10_per_class": (0.65, 0.70, 0.74), "full": (0.85, 0.90, 0.95)}
TITLES = {"1pct": "1 %", "10_per_class": "10 per class", "full": "full training set"}
_COLUMNS = {"step": "steps", "samples": "samples", "seconds": "seconds"}


def soonest(results: Path) -> dict[tuple[str, str], str]:
    """Return, by draw and optimizer, the tuning's point that is soonest at the targets of the draw.

    The highest target counts first, then the next lower; where all are missed, the accuracy at the end.
    """
    runs, histories = (
        read_digest("convergence_tuning", results),
        read_histories("convergence_tuning", results),
    )
    draws = {point: _draw(value) for point, value in zip(runs.point, runs["data.draw"], strict=True)}
    histories = histories.assign(draw=histories.point.map(draws))
    return {
        (draw, name): min(
            dict.fromkeys(here.point), key=lambda point: _how_soon(here[here.point == point], TARGETS[draw])
        )
        for draw in TARGETS
        for name, here in histories[histories.draw == draw].groupby("optimizer", sort=False)
    }


def chosen(results: Path) -> dict[tuple[str, str], pd.DataFrame]:
    """Return the evaluations by draw and optimizer."""
    histories = read_histories("convergence", results)
    return {
        (str(draw), str(name)): rows
        for (draw, name), rows in histories.groupby(["point", "optimizer"], sort=False)
    }


def section(results: Path) -> str:
    """Return the report's section."""
    runs = chosen(results)
    digest, tuning = read_digest("convergence", results), read_digest("convergence_tuning", results)
    parts = [
        f"Median over {digest.seed.nunique()} seeds of the first evaluation (every 20 steps, on the test "
        "set) at or above the target; a seed that never gets there is infinite. The learning rate of each "
        "optimizer is the one of five that was soonest at the targets on the validation split, on other "
        "seeds. `_25` is plain training on as many images per step as the selections keep; `random` keeps a "
        "random quarter; `dba` keeps the quarter with the largest projection on the mean gradient, `dba_snr` "
        "the prefix with the best SNR.\n"
    ]
    for draw, title in TITLES.items():
        rows = [
            [
                name,
                rate(digest[(digest.point == draw) & (digest.optimizer == name)], tuning),
                *_times(here, TARGETS[draw]),
            ]
            for (where, name), here in runs.items()
            if where == draw
        ]
        if rows:
            header = [
                title,
                "learning rate",
                *(f"{_COLUMNS[c]} to {100 * t:g} %" for t in TARGETS[draw] for c in _COLUMNS),
            ]
            parts += [table(header, rows)]
    names = ("convergence_tuning", "convergence")
    parts.append(command(*(f"dba sweep configs/reproduce/{name}.yaml" for name in names)))
    for draw, title in TITLES.items():
        parts.append(picture(f"convergence_{draw}", f"{title}: test accuracy against samples processed"))
        parts.append(picture(f"targets_{draw}", f"{title}: time to {100 * TARGETS[draw][1]:g} %"))
    return "\n".join(parts)


def ratio(results: Path, draw: str, name: str, baseline: str, column: str = "step") -> float | None:
    """Return how many times as long ``baseline`` takes to the middle target; None where both never do."""
    runs = chosen(results)
    if (draw, name) not in runs or (draw, baseline) not in runs:
        return None
    target = TARGETS[draw][1]
    own, other = reach(runs[draw, name], target, column), reach(runs[draw, baseline], target, column)
    return None if own == other == float("inf") else other / own


def draw_figures(results: Path, folder: Path) -> None:
    """Draw curves and times to the middle target."""
    runs = chosen(results)
    for draw in TITLES:
        here = {name: rows for (where, name), rows in runs.items() if where == draw}
        if here:
            drawn = lines(pd.concat(here.values()), list(here))
            save_figure(learning_curves(drawn, "samples"), f"convergence_{draw}", folder)
            save_figure(targets(drawn, TARGETS[draw][1]), f"targets_{draw}", folder)


def _times(histories: pd.DataFrame, goals: tuple[float, ...]) -> list[str]:
    cells = []
    for goal in goals:
        for column in _COLUMNS:
            value = reach(histories, goal, column)
            never = value == float("inf")
            cells.append(f"{value:.2f}" if column == "seconds" and not never else number(value))
    return cells


def _how_soon(histories: pd.DataFrame, goals: tuple[float, ...]) -> tuple[float, ...]:
    last = histories[histories.step == histories.step.max()].accuracy.mean()
    return (*(reach(histories, goal, "step") for goal in reversed(goals)), -last)


def _draw(value: dict[str, float]) -> str:
    return "10_per_class" if "per_class" in value else "full" if value["fraction"] == 1 else "1pct"
