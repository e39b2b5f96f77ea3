"""Small experiments on the embedded sample, a reporter that remembers, and readers of what runs leave."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dba_cli import experiments
from dba_cli.config import Config
from dba_cli.experiments import PlannedRun, Settings, plan, run_experiments
from dba_cli.experiments._progress_files import DESKS
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._worker import Session
from dba_cli.records import Evaluation, FailureRecord, RunRecord
from dba_cli.training import Observer

SGD = {"name": "sgd", "kind": "sgd", "lr": 0.1}
ADAM = {"name": "adam", "kind": "adam", "lr": 0.01}
DBA = {"name": "dba", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}, "min_fraction": 0.25}
ALL_THREE = (SGD, ADAM, DBA)

REVISION = "0" * 40

# Multiplies the weights by about -990 in each step: far beyond float32 within a dozen of them.
EXPLODING = {"kind": "sgd", "lr": 1000.0, "weight_decay": 0.99}


def config(
    *optimizers: dict[str, Any],
    name: str = "exp",
    seeds: Sequence[int] = (0,),
    draw: dict[str, Any] | None = None,
    source: str = "embedded",
    hidden: Sequence[int] = (8,),
    paper: dict[str, float] | None = None,
    **training: Any,
) -> Config:
    """Thirty images of the embedded sample, and seven steps on batches of twelve: 12, 12, 6 an epoch."""
    return Config.model_validate(
        {
            "experiment": {"name": name, "description": "A small one.", "paper": paper},
            "data": {"source": source, "draw": draw or {"per_class": 3}},
            "model": {"kind": "mlp", "hidden": list(hidden)},
            "training": {"steps": 7, "batch_size": 12, "evaluation": {"steps": 3}, **training},
            "optimizers": list(optimizers or ALL_THREE),
            "seeds": list(seeds),
        }
    )


@dataclass
class Reporter(experiments.Reporter, Observer):
    """Remembers what it is told; interrupts the run named by ``interrupt`` at a step or a row."""

    interrupt: tuple[str, int] | None = None
    at_step: int | None = None
    at_row: int | None = None
    notices: list[str] = field(default_factory=list)
    plans: list[tuple[str, int, int]] = field(default_factory=list)
    begun: list[PlannedRun] = field(default_factory=list)
    rows: list[Evaluation] = field(default_factory=list)
    records: list[RunRecord] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)
    others: list[PlannedRun] = field(default_factory=list)

    def notice(self, line: str) -> None:
        self.notices.append(line)

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        self.plans.append((name, len(todo), done))

    def started(self, run: PlannedRun) -> "Reporter":
        self.begun.append(run)
        return self

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        self.records.append(record)

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        self.failures.append(failure)

    def elsewhere(self, run: PlannedRun) -> None:
        self.others.append(run)

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Return what was started, in order."""
        return [(run.optimizer, run.seed) for run in self.begun]

    def step(self, step: int, loss: float) -> None:
        if self.interrupt == self.runs[-1] and step == self.at_step:
            raise KeyboardInterrupt

    def evaluated(self, row: Evaluation) -> None:
        self.rows.append(row)
        if self.interrupt == self.runs[-1] and row.step == self.at_row:
            raise KeyboardInterrupt


def do(
    results: Path,
    *configs: Config,
    reporter: Reporter | None = None,
    optimizers: Sequence[str] = (),
    seeds: Sequence[int] = (),
    **how: Any,
) -> list[RunRecord]:
    """Run the configs on the CPU."""
    settings = Settings(
        data_dir=results.parent / "no-data",
        results=results,
        device=torch.device("cpu"),
        optimizers=optimizers,
        seeds=seeds,
        **how,
    )
    return run_experiments(configs, settings, reporter or Reporter()).records


def planned(results: Path, *configs: Config, **settings: Any) -> list[PlannedRun]:
    """Return the runs of ``configs`` on the embedded sample, thirty images each, numbered from 1."""
    made = Settings(results.parent / "no-data", results, torch.device("cpu"), **settings)
    runs = [run for config in configs for run in plan(config, "embedded", 30, made).todo]
    return [replace(run, number=number) for number, run in enumerate(runs, start=1)]


def session_of(results: Path, **settings: Any) -> Session:
    """Return the session of a worker in this very process."""
    device = torch.device("cpu")
    made = Settings(results.parent / "no-data", results, device, jobs=1, **settings)
    return Session(made, Provenance.now(device), results / f"{DESKS}test", os.getpid())


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file below ``folder``: its bytes, and when it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def result(folder: Path) -> dict[str, Any]:
    """Return what ``result.json`` says."""
    content: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return content


def history(folder: Path) -> list[dict[str, str]]:
    """Return the rows of ``history.csv``."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def timeless(results: Path) -> dict[str, object]:
    """Return every file below ``results`` without the few figures that may differ between two runs."""
    found: dict[str, object] = {}
    for path in sorted(results.rglob("*")):
        if path.name == "result.json":
            found[str(path)] = {
                k: v for k, v in result(path.parent).items() if k not in ("durations", "seal")
            }
        elif path.name == "history.csv":
            rows = history(path.parent)
            found[str(path)] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return {path.removeprefix(str(results)): content for path, content in found.items()}
