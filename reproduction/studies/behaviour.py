"""What the selection does: from the traces, which are too large to commit, to a table."""

from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from dba_cli.config import DataConfig, Draw
from dba_cli.data import load
from dba_cli.experiments import drawn
from dba_cli.records import ExperimentFolder, read_sweep, read_trace, write_atomically
from reproduction.command import Command, Place
from reproduction.paper import SMALL
from reproduction.studies.paper_setting import PaperSetting
from reproduction.study import Study


class Behaviour(Study):
    """Which images each layer chooses, from a trace of every step."""

    chapter = 4

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.paper_setting = PaperSetting(place)
        self.traced = Command(place, "behaviour")

    @property
    def file(self) -> Path:
        """Return the digest of the traces."""
        return self.traced.folder / "selection.csv"

    @property
    def ready(self) -> bool:
        """Return whether there are runs, and the screening's."""
        return super().ready and self.file.exists() and self.paper_setting.ready

    def after_run(self, data_dir: Path) -> None:
        """Write a row per run and layer: how much is kept early and late, overlap, balance, never chosen."""
        sweep = read_sweep(self.traced.folder)
        data = load(self.place.dataset, "official", data_dir, notify=print)
        rows = []
        for point in sweep.points if sweep else []:
            config = DataConfig(source="official", draw=Draw(**point.values["data.draw"]))
            for run in ExperimentFolder(self.traced.folder / point.name).runs():
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
                    shares = np.bincount(labels[trace.images[chosen]], minlength=data.num_classes) / max(
                        chosen.sum(), 1
                    )
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
        write_atomically(self.file, frame.to_csv(index=False, lineterminator="\n"))

    @cached_property
    def selection(self) -> dict[tuple[str, str, str], pd.Series]:
        """Means over seeds, per cent, by draw, optimizer and layer."""
        rows = pd.read_csv(self.file)
        rows["draw"] = rows.draw.map({f"n_train={draw.images}": name for name, draw in SMALL.items()})
        means = rows.groupby(["draw", "optimizer", "layer"], sort=False).mean()
        return dict((100 * means).iterrows())

    @cached_property
    def scopes(self) -> pd.Series:
        """By how many points a subset for each layer is better than one for all: the screening's pairs."""
        sides = self.paper_setting.screened.pivot(
            index=["draw", "base", *PaperSetting.VARIANT[:2]],
            columns=PaperSetting.VARIANT[2],
            values="errors",
        )
        sides = sides.reindex(columns=["model", "layer"]).dropna()  # a quick run has no pair
        return 100 * (sides["model"] - sides["layer"]) / self.paper_setting.images


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
