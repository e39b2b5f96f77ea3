"""Claims 2 to 4 under the paper's own setting: random draw, nothing but selection."""

from pathlib import Path

import pandas as pd

from dba_cli.comparison import Estimate
from reproduction.choose import DRAWS, VARIANT, draw_of, screened, tuned
from reproduction.digest import read_digest
from reproduction.markdown import command, diverged, interval, p_value, table
from reproduction.statistics import Difference, difference, holm, mean_accuracy

TITLES = {"1pct": "1 % of MNIST (600 images)", "10_per_class": "10 images per class (100 images)"}


def confirmed(results: Path) -> dict[tuple[str, str], pd.DataFrame]:
    """Return the runs of the confirmation by draw and optimizer."""
    runs = read_digest("confirmation", results)
    return {
        (draw, optimizer): rows
        for draw in DRAWS
        for optimizer, rows in runs[runs.point.str.startswith(draw + "_")].groupby("optimizer", sort=False)
    }


def comparisons(results: Path) -> list[tuple[str, str, str, Difference]]:
    """Return (draw, optimizer, baseline, difference) for all that is compared: one family for Holm."""
    runs = confirmed(results)
    found = []
    for (draw, name), rows in runs.items():
        if not name.startswith(("dba", "variance")):
            continue
        for baseline in ("sgd", "momentum", "adam", f"random_for_{name}"):
            if (draw, baseline) in runs:
                each = difference(rows, runs[draw, baseline])
                if each is not None:
                    found.append((draw, name, baseline, each))
    return found


def best_dba(results: Path, draw: str) -> tuple[str, Estimate]:
    """Return the DBA entry with the best mean, and that mean."""
    means = {
        name: mean
        for (where, name), rows in confirmed(results).items()
        if where == draw and name.startswith(("dba", "variance"))
        if (mean := mean_accuracy(rows)) is not None
    }
    return max(means.items(), key=lambda item: item[1].mean)


def section(results: Path) -> str:
    """Return the report's section."""
    parts = [_confirmation(results), _differences(results), _screening(results), _tuning(results)]
    return "\n".join(parts)


def _confirmation(results: Path) -> str:
    rows = []
    runs = confirmed(results)
    for name in dict.fromkeys(name for _, name in runs):
        cells = []
        for draw in DRAWS:
            here = runs.get((draw, name))
            cells.append("-" if here is None else interval(mean_accuracy(here)) + diverged(here))
        rows.append([name, *cells])
    text = table(["tuned optimizer, 10 fresh seeds", *(f"{TITLES[draw]}, %" for draw in DRAWS)], rows)
    return (
        "Random draw, one hidden layer, no deformation. Mean test accuracy at the end of training with its "
        "95 % "
        "interval. `random_for_X` is X with random members: the same sizes, all else equal.\n\n"
        + text
        + "\n"
        + command("dba sweep configs/reproduce/confirmation.yaml")
    )


def _differences(results: Path) -> str:
    found = comparisons(results)
    adjusted = holm([each.p for *_, each in found])
    rows = [
        [
            f"{TITLES[draw].partition(' (')[0]}: {name} less {baseline}",
            interval(each.estimate, sign=True),
            p_value(each.p),
            p_value(p),
        ]
        for (draw, name, baseline, each), p in zip(found, adjusted, strict=True)
    ]
    return (
        f"Paired by seed (same draw, weights and order), percentage points. The last column is Holm's "
        f"correction "
        f"for the {len(found)} comparisons of this table:\n\n"
        + table(["difference", "points", "p", "p, corrected"], rows)
    )


def _screening(results: Path) -> str:
    variants = screened(results)
    images = _evaluated(read_digest("screening", results))
    rows = []
    for (draw, base), group in variants.groupby(["draw", "base"], sort=False):
        rules = _rules(results, str(draw), str(base))
        best, variance = group.iloc[0], group[group[VARIANT[0]] == "variance"].iloc[0]
        rows.append(
            [
                f"{TITLES[str(draw)].partition(' (')[0]}, {base}",
                *(_percent(rules.get(rule), images) for rule in ("all", "random")),
                f"{_percent(best.errors, images)} ({', '.join(best[VARIANT])})",
                f"{_percent(variance.errors, images)} ({', '.join(variance[VARIANT[1:]])})",
                _percent(group.errors.median(), images),
                _percent(group.errors.iloc[-1], images),
            ]
        )
    header = [
        "draw, base optimizer",
        "plain",
        "random subsets",
        "best variant",
        "best by variance",
        "median",
        "worst",
    ]
    return (
        f"**Screening**: {len(variants)} variants (metric, order, scope, base, draw) of the prefix rule, "
        "validation accuracy, %, mean of 2 seeds. The best of so many is lucky: the confirmation above, on "
        "other "
        "seeds, says what is left of it.\n\n"
        + table(header, rows)
        + "\n"
        + command(*(f"dba sweep configs/reproduce/{name}.yaml" for name in ("screening", "screening_rules")))
    )


def _rules(results: Path, draw: str, base: str) -> dict[str, float]:
    runs = read_digest("screening_rules", results)
    here = runs[runs.point.str.startswith(f"{draw}_{base}_") & (runs.status == "finished")]
    return here.groupby("optimizers.dba.rule").errors.mean().to_dict()


def _tuning(results: Path) -> str:
    best = tuned(results)
    runs = read_digest("tuning", results)
    images, tried = _evaluated(runs), runs[runs.point.map(draw_of) == DRAWS[0]].point.nunique()
    rows = []
    for row in best.to_dict("records"):
        own = {
            str(key).rpartition(".")[2]: value
            for key, value in row.items()
            if str(key).startswith(f"optimizers.{row['optimizer']}.")
        }
        rows.append(
            [
                f"{TITLES[row['draw']].partition(' (')[0]}: {row['optimizer']}",
                f"{own['lr']:.4g}",
                own.get("min_fraction", "-"),
                row["training.batch_size"],
                row["model.hidden"][0],
                row["training.steps"],
                _percent(row["errors"], images),
            ]
        )
    return (
        f"**Tuning**: {tried} points for every optimizer, 2 seeds each; the point with the fewest errors:\n\n"
        + table(
            ["", "learning rate", "smallest fraction", "batch size", "hidden", "steps", "validation, %"], rows
        )
        + "\n"
        + command("dba sweep configs/reproduce/tuning.yaml")
    )


def _evaluated(runs: pd.DataFrame) -> int:
    return int(runs.evaluated.iloc[0])


def _percent(errors: float | None, images: int) -> str:
    if errors is None:
        return "-"
    return "diverged" if errors == float("inf") else f"{100 * (1 - errors / images):.2f}"
