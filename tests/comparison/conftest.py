"""Small results folders, written as a run writes them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dba_cli.records import ExperimentFolder, ExperimentRecord, RunRecord, write_atomically

PAPER = {"test_accuracy": 97.79, "error_reduction": 81.78}


def sha256(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def config_of(optimizer: str) -> str:
    return sha256(f"config of {optimizer}")


@dataclass(frozen=True)
class Results:
    """A results folder that tests fill; every argument has an unremarkable default."""

    root: Path

    def plan(
        self,
        optimizers: Sequence[str] = ("sgd", "adam", "dba"),
        seeds: Iterable[int] = (0, 1, 2),
        *,
        name: str = "exp",
        paper: dict[str, float] | None = None,
        folder: str | None = None,
    ) -> None:
        plan = ExperimentRecord.model_validate(
            {
                "name": name,
                "description": "An experiment.",
                "paper": paper,
                "optimizers": {optimizer: config_of(optimizer) for optimizer in optimizers},
                "seeds": list(seeds),
            }
        )
        ExperimentFolder(self.root / (folder or name)).write_plan(plan)

    def run(self, optimizer: str, seed: int, errors: int | None, **changes: Any) -> None:
        """Record a run with ``errors`` of 10 000; None is one that diverged at step 7."""
        n_test = changes.pop("n_test", 10_000)
        data = {
            "dataset": "mnist",
            "source": "official",
            "draw": {"fraction": 0.01},
            "draw_sha256": sha256(f"draw of {seed}"),
            "n_train": 600,
            "n_test": n_test,
            "notice": None,
        }
        data |= {key: changes.pop(key) for key in list(changes) if key in {*data, "title"}}
        final = errors is not None and {
            "step": 60,
            "epoch": 10.0,
            "samples_processed": 6000,
            "train_loss": 0.1,
            "test_loss": 0.4,
            "test_accuracy": 1 - errors / n_test if n_test else 0.0,
            "test_errors": errors,
            "copies_errors": changes.pop("copies_errors", None),
        }
        content = {
            "status": "finished" if final else "diverged",
            "experiment": "exp",
            "optimizer": optimizer,
            "optimizer_kind": optimizer if optimizer in ("sgd", "adam") else "dba",
            "seed": seed,
            "protocol": "random draw",
            "data": data,
            "parameters": 79_510,
            "final": final or None,
            "diverged_at_step": None if final else 7,
            "config_hash": config_of(optimizer),
            "versions": {},
            "device": {"type": "cpu", "name": "cpu", "threads": 1},
            "git_revision": None,
            "durations": {
                "training": 1.0,
                "evaluation": 0.1,
                "total": 1.1,
                "finished_at": "2020-01-01T00:00:00Z",
            },
        }
        record = RunRecord.model_validate(content | changes)
        place = ExperimentFolder(self.root / record.experiment).run(optimizer, seed)
        write_atomically(place.result_file, record.model_dump_json())

    def runs(self, optimizer: str, errors: Sequence[int | None], **changes: Any) -> None:
        """Record the runs of seeds 0, 1, ..."""
        for seed, count in enumerate(errors):
            self.run(optimizer, seed, count, **changes)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


@pytest.fixture
def paper_results(results: Results) -> Results:
    """A complete experiment with round figures, the paper's beside them."""
    results.plan(paper=PAPER)
    results.runs("sgd", [1200, 1300, 1100])
    results.runs("adam", [1000, 1000, 1000])
    results.runs("dba", [1080, 1235, 1100])
    return results
