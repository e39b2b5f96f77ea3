"""One command of dba, its records, and their digest: what is committed, and all that the report reads.

A command has up to a thousand runs of a few small files each; ``runs.csv`` (and ``histories.csv``, the
curves) hold the same figures in a form that can be read and compared between two commits.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from os.path import relpath
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dba_cli.config import SweepPoint, load, load_sweep
from dba_cli.data import DATASETS
from dba_cli.records import Evaluation, ExperimentFolder, RunFolder, RunRecord, read_sweep, write_atomically
from reproduction.paper import PAPER, draw_name

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs/reproduce"
_QUICK = ("training.steps=20", "training.evaluation={epochs: null, steps: 10, copies: 0}", "seeds=[0]")


_Figure = Literal["test_accuracy", "error_reduction", "implied_accuracy"]


@dataclass(frozen=True)
class Place:
    """Which dataset is trained on, and whether in little; where everything lies follows."""

    dataset: str = "mnist"
    quick: bool = False
    root: Path = ROOT / "results"

    @property
    def suffix(self) -> str:
        """Return what the folder's name ends in that is not of MNIST."""
        return "" if self.dataset == "mnist" else f"-{self.dataset}"

    @property
    def results(self) -> Path:
        """Return the folder of the records."""
        return self.root / f"reproduction{self.suffix}{'-quick' if self.quick else ''}"

    @property
    def report(self) -> Path:
        """Return the folder of the report."""
        return self.results if self.quick or self.suffix else self.root

    @property
    def title(self) -> str:
        """Return what the dataset is called."""
        return DATASETS[self.dataset].title

    def claimed(self, draw: str, figure: _Figure) -> float | None:
        """Return a figure of the paper for a draw, per cent; None for a dataset that it does not have."""
        paper = PAPER.get(self.dataset, {}).get(draw)
        return None if paper is None else getattr(paper, figure)


@dataclass(frozen=True)
class Command:
    """One folder of a place's results, and the command that fills it.

    Args:
        place: of the results.
        name: of the folder.
        config: its path; that of ``name`` in ``configs/reproduce`` where it is not given.
        chosen: whether the config is written from what a tuning found best: for every dataset another, which
            lies beside its results if it is not of MNIST (a quick run takes that of MNIST).
        sweep: whether the config holds many points; then only the digest of its runs is committed.
        curves_kept: whether the digest keeps the curves.
        grid: whether a quick run draws one point.
    """

    place: Place
    name: str
    config: Path | None = None
    chosen: bool = False
    sweep: bool = True
    curves_kept: bool = False
    grid: bool = False

    @property
    def path(self) -> Path:
        """Return the config."""
        if self.chosen and self.place.suffix and not self.place.quick:
            return self.place.results / f"{self.name}.yaml"
        return self.config or CONFIGS / f"{self.name}.yaml"

    @property
    def folder(self) -> Path:
        """Return the folder of the records."""
        return self.place.results / self.name

    @property
    def overrides(self) -> list[str]:
        """Return what the place and the command change in the config."""
        dataset = [f"data.dataset={self.place.dataset}", "experiment.paper=null"] if self.place.suffix else []
        return dataset if self.sweep else ["data.source=official", *dataset]

    @property
    def words(self) -> list[str]:
        """Return the words after ``dba``."""
        quick = _QUICK if self.place.quick else ()
        words = ["sweep" if self.sweep else "run", str(self.path), "--results", str(self.place.results)]
        words += [word for each in (*self.overrides, *quick) for word in ("--set", each)]
        words += ["--name", self.name] if self.sweep else []
        return words + (["--random", "1"] if self.grid and self.place.quick else [])

    @property
    def shown(self) -> str:
        """Return the command as the report has it."""
        dataset = f" --set data.dataset={self.place.dataset}" if self.place.suffix else ""
        return f"dba {self.words[0]} {relpath(self.path, ROOT)}{dataset}"

    @cached_property
    def points(self) -> list[SweepPoint]:
        """Return the points of the config, which is a sweep's."""
        return load_sweep(self.path, self.overrides).points

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Return the digest's rows with the points' values as columns, and ``draw``, a name of DRAWS.

        No rows where there is no digest.
        """
        if self._digest.empty:
            return self._digest
        return self._digest.assign(draw=self.values("data.draw").map(draw_name))

    def values(self, key: str) -> pd.Series:
        """Return what each run's config has at a dotted key: what its point sets, else what the file says."""
        default: Any = load(self.path, self.overrides).model_dump(mode="json", exclude_unset=True)
        for part in key.split("."):
            by_name = {each["name"]: each for each in default} if isinstance(default, list) else default
            default = (by_name or {}).get(part)
        column = self._digest.get(key, pd.Series(None, self._digest.index, dtype=object))
        return column.map(lambda value: default if value is None or value != value else value)

    @cached_property
    def _digest(self) -> pd.DataFrame:
        file = self.folder / "runs.csv"
        if not file.exists():
            return pd.DataFrame()
        runs = pd.read_csv(file).astype({"point": "object"})
        runs["point"] = runs.point.fillna("")  # a command that is one experiment has no points
        texts = runs.pop("values").ffill()  # it stands in the first row of a point
        values = pd.DataFrame([json.loads(text) for text in texts], index=runs.index)
        return pd.concat([runs, values], axis=1)

    @cached_property
    def histories(self) -> pd.DataFrame:
        """Return the evaluations of every run, in their order; for a command with ``curves_kept`` only."""
        return pd.read_csv(self.folder / "histories.csv")

    def curves(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return the evaluations of some of the runs."""
        keys = ["point", "optimizer", "seed"]
        return self.histories.merge(runs[keys], on=keys)

    def write_digest(self) -> int:
        """Write ``runs.csv`` (and ``histories.csv``) beside the runs; return how many there are."""
        rows: list[dict[str, Any]] = []
        histories = []
        for point, values, run, record in self._finished():
            again = rows and rows[-1]["point"] == point
            text = None if again else json.dumps(values, sort_keys=True)
            rows.append({"point": point, "values": text, **_row(record)})
            if self.curves_kept:
                histories += [_evaluation(point, record, evaluation) for evaluation in run.history()]
        write_atomically(self.folder / "runs.csv", _csv(pd.DataFrame(rows)))
        if self.curves_kept:
            write_atomically(self.folder / "histories.csv", _csv(pd.DataFrame(histories)))
        return len(rows)

    def _finished(self) -> Iterator[tuple[str, dict[str, Any], RunFolder, RunRecord]]:
        """Yield point, its values, and every run of the points' own configs, in the order of the plan."""
        sweep = read_sweep(self.folder) if self.sweep else None
        points = {point.name: point.values for point in sweep.points} if sweep else {}
        for name, values in (points if self.sweep else {"": {}}).items():
            experiment = ExperimentFolder(self.folder / name)
            if not experiment.plan_file.exists():  # a sweep that is not over
                continue
            plan = experiment.plan()
            for optimizer, wanted in plan.optimizers.items():
                for seed in plan.seeds:
                    run = experiment.run(optimizer, seed)
                    record = run.read()
                    if record is not None and record.config_hash == wanted:
                        yield name, values, run, record


def _row(record: RunRecord) -> dict[str, Any]:
    final = record.final
    return {
        "optimizer": record.optimizer,
        "seed": record.seed,
        "status": record.status,
        "protocol": record.protocol,
        "n_train": record.data.n_train,
        "parameters": record.parameters,
        "steps": record.diverged_at_step if final is None else final.step,
        "samples": None if final is None else final.samples_processed,
        "errors": None if final is None else final.test_errors,
        "copies_errors": None if final is None else final.copies_errors,
        "evaluated": record.data.n_test,
        "seconds": round(record.durations.training, 2),
        "config_hash": record.config_hash[:12],
        # What follows a commit stays: that files were changed, or the commit that went on.
        "git_revision": re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}", r"\1", record.git_revision or ""),
    }


def _evaluation(point: str, record: RunRecord, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "point": point,
        "optimizer": record.optimizer,
        "seed": record.seed,
        "step": evaluation.step,
        "samples": evaluation.samples_processed,
        "seconds": round(evaluation.seconds, 3),
        "accuracy": evaluation.test_accuracy,
        **{name: round(value, 4) for name, value in evaluation.by_layer.items() if name.startswith("drop_")},
    }


def _csv(rows: pd.DataFrame) -> str:
    # Whole numbers stay whole where some are missing.
    return rows.convert_dtypes().to_csv(index=False, lineterminator="\n")
