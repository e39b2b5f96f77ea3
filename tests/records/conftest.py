"""A record of a run, as plain data that a test can spoil."""

from typing import Any

import pytest

SHA = "0123456789abcdef" * 4


@pytest.fixture
def run_data() -> dict[str, Any]:
    return {
        "format": 1,
        "status": "finished",
        "experiment": "exp",
        "optimizer": "dba",
        "optimizer_kind": "dba",
        "seed": 3,
        "protocol": "random draw",
        "data": {
            "dataset": "mnist",
            "title": "MNIST",
            "source": "official",
            "draw": {"fraction": 0.01},
            "sha256": None,
            "draw_sha256": SHA,
            "labels_sha256": None,
            "trusted_sha256": None,
            "n_train": 600,
            "n_test": 10000,
            "evaluated_on": "test",
            "notice": None,
        },
        "parameters": 79510,
        "final": {
            "step": 3000,
            "epoch": 500.0,
            "samples_processed": 300000,
            "train_loss": 0.1,
            "test_loss": 1 / 3,
            "test_accuracy": 0.8789,
            "test_errors": 1211,
            "copies_errors": None,
            "stopping_errors": None,
            "fractions": {"output": 0.5},
            "drop_precision": {},
            "drop_recall": {"output": 0.25},
        },
        "diverged_at_step": None,
        "config": {
            "experiment": {"name": "exp"},
            "data": {"draw": {"fraction": 0.01, "per_class": None}},
            "model": {"hidden": [100]},
            "optimizers": [{"name": "dba", "base": {"lr": 0.1}}],
            "seeds": [3],
        },
        "config_hash": SHA[::-1],
        "versions": {"python": "3.11", "torch": "2.3 é"},
        "device": {"type": "cpu", "name": "a processor", "threads": 2},
        "git_revision": None,
        "seal": None,
        "durations": {
            "training": 1.5,
            "evaluation": 0.25,
            "total": 2.0,
            "finished_at": "2026-01-01T00:00:00+00:00",
        },
    }


@pytest.fixture
def plan_data() -> dict[str, Any]:
    return {
        "format": 1,
        "name": "exp",
        "description": "An experiment.",
        "paper": {"test_accuracy": 97.79, "error_reduction": 81.78},
        "optimizers": {"sgd": SHA, "dba": SHA[::-1]},
        "seeds": [0, 1],
    }
