"""What the selection does: from the traces, which are too large to commit, to a table."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from dba_cli.config import DataConfig, Draw
from dba_cli.data import load
from dba_cli.experiments import drawn
from dba_cli.records import ExperimentFolder, read_sweep, read_trace, write_atomically
from reproduction.choose import VARIANT, screened
from reproduction.digest import read_digest
from reproduction.markdown import command, table

_FILE = "behaviour/selection.csv"
_TITLES = {"n_train=600": "1 %", "n_train=100": "10 per class"}


def write_behaviour(results: Path, data_dir: Path) -> None:
    """Write one row per run and layer: how much is kept early and late, overlap, balance, never chosen."""
    sweep = read_sweep(results / "behaviour")
    if sweep is None:
        return
    data = load("mnist", "official", data_dir, notify=print)
    rows = []
    for point in sweep.points:
        config = DataConfig(source="official", draw=Draw(**point.values["data.draw"]))
        for run in ExperimentFolder(results / "behaviour" / point.name).runs():
            record = run.read()
            if record is None or record.status != "finished":
                continue
            labels = data.train_labels[drawn(config, data, record.seed)].numpy()
            trace = read_trace(run.trace_file)
            late = trace.steps > trace.steps.max() // 2
            overlap = _overlap([trace.chosen[layer] for layer in trace.layers], trace.steps)
            for layer in trace.layers:
                chosen = trace.chosen[layer]
                rates = np.bincount(trace.images, chosen, len(labels)) / np.maximum(
                    np.bincount(trace.images, minlength=len(labels)), 1
                )
                shares = np.bincount(labels[trace.images[chosen]], minlength=10) / max(chosen.sum(), 1)
                rows.append(
                    {
                        "draw": f"n_train={len(labels)}",
                        "optimizer": record.optimizer,
                        "seed": record.seed,
                        "layer": layer,
                        "kept_first_half": chosen[~late].mean(),
                        "kept_second_half": chosen[late].mean(),
                        "never_chosen": float((rates == 0).mean()),
                        "chosen_most_tenth": float(np.sort(rates)[-(len(rates) // 10) :].mean()),
                        "largest_class_share": shares.max(),
                        "smallest_class_share": shares.min(),
                        "overlap": overlap[0],
                        "overlap_by_chance": overlap[1],
                    }
                )
    frame = pd.DataFrame(rows).round(4)
    write_atomically(results / _FILE, frame.to_csv(index=False, lineterminator="\n"))


def section(results: Path) -> str:
    """Return the report's section."""
    try:
        frame = pd.read_csv(results / _FILE)
    except FileNotFoundError:
        return ""
    rows = []
    for (draw, optimizer, layer), here in frame.groupby(["draw", "optimizer", "layer"], sort=False):
        mean = here.mean(numeric_only=True)
        rows.append(
            [
                f"{_TITLES[str(draw)]}: {optimizer}, layer {layer}",
                f"{100 * mean.kept_first_half:.0f}",
                f"{100 * mean.kept_second_half:.0f}",
                f"{100 * mean.overlap:.0f} ({100 * mean.overlap_by_chance:.0f})",
                f"{100 * mean.never_chosen:.1f}",
                f"{100 * mean.smallest_class_share:.1f} to {100 * mean.largest_class_share:.1f}",
            ]
        )
    header = [
        "",
        "kept, first half, %",
        "kept, second half, %",
        "shared by the layers (by chance), %",
        "images never chosen, %",
        "share of a class, %",
    ]
    return (
        "Mean of 3 seeds. *Shared by the layers*: of the images that either layer chose in a step, how many "
        "both "
        "did (Jaccard), and how many two independent choices of these sizes would share.\n\n"
        + table(header, rows)
        + "\n"
        + command("dba sweep configs/reproduce/behaviour.yaml")
        + "\n"
        + _scopes(results)
    )


def _scopes(results: Path) -> str:
    """Return whether a subset for each layer was better than one for all, over the screening's variants."""
    variants = screened(results)
    sides = variants.pivot(index=["draw", "base", *VARIANT[:2]], columns=VARIANT[2], values="errors")
    images = int(read_digest("screening", results).evaluated.iloc[0])
    points = 100 * (sides["model"] - sides["layer"]) / images
    return (
        f"Is a subset for each layer better than one for all? Of the {len(points)} pairs of variants in the "
        f"screening that differ in nothing else, the layer's own subset was better in {(points > 0).sum()}, "
        f"one for all in {(points < 0).sum()}; median difference {points.median():+.2f} points (validation "
        "split; `snr` and `noise_scale` choose alike and count twice).\n"
    )


def _overlap(layers: list[np.ndarray], steps: np.ndarray) -> tuple[float, float]:
    """Return the mean Jaccard overlap of two layers' choices, and that of independent ones of their sizes."""
    starts = np.flatnonzero(np.diff(steps, prepend=-1))
    measured, chance = [], []
    n = np.add.reduceat(np.ones(len(steps)), starts)
    for a, b in combinations(layers, 2):
        both = np.add.reduceat((a & b).astype(float), starts)
        sizes = [np.add.reduceat(each.astype(float), starts) for each in (a, b)]
        expected = sizes[0] * sizes[1] / n
        measured.append((both / np.maximum(sizes[0] + sizes[1] - both, 1)).mean())
        chance.append((expected / np.maximum(sizes[0] + sizes[1] - expected, 1)).mean())
    return float(np.mean(measured)), float(np.mean(chance))
