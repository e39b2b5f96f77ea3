"""A digest against the records that it is made of."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dba_cli.config import load_sweep
from dba_cli.experiments import Settings, run_sweep
from reproduction.digest import read_digest, read_histories, write_digest
from reproduction.studies import Study

ROOT = Path(__file__).parents[2]
SWEEP = """
extends: {root}/configs/smoke.yaml
data: {{source: embedded}}
training: {{epochs: null, steps: 3, evaluation: {{epochs: null, steps: 2}}}}
seeds: [0, 1]
sweep:
  points: {{narrow: {{model.hidden: [4]}}, wide: {{model.hidden: [8]}}}}
"""


class Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *args: self


def swept(tmp_path: Path) -> tuple[Study, Path]:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP.format(root=ROOT), encoding="utf-8")
    settings = Settings(data_dir=tmp_path / "none", results=tmp_path, device=torch.device("cpu"))
    run_sweep(load_sweep(path), tmp_path / "small", settings, Silent())
    return Study("small", str(path), histories=True), tmp_path


def test_there_is_a_row_for_every_run_and_it_says_what_the_record_says(tmp_path: Path) -> None:
    study, results = swept(tmp_path)
    assert write_digest(study, results) == 2 * 2 * 3
    rows = read_digest("small", results)
    assert list(rows["model.hidden"]) == [[4]] * 6 + [[8]] * 6
    for row in rows.to_dict("records"):
        run = results / "small" / str(row["point"]) / str(row["optimizer"]) / f"seed-{row['seed']}"
        record = json.loads((run / "result.json").read_text())
        assert (row["errors"], row["steps"]) == (record["final"]["test_errors"], record["final"]["step"])
        assert record["config_hash"].startswith(row["config_hash"])
        history = pd.read_csv(run / "history.csv")
        curve = read_histories("small", results)
        here = curve[(curve.point == row["point"]) & (curve.optimizer == row["optimizer"])]
        here = here[here.seed == row["seed"]]
        assert here.accuracy.tolist() == history.test_accuracy.tolist()
        assert here.step.tolist() == history.step.tolist() == [0, 2, 3]


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    study, results = swept(tmp_path)
    write_digest(study, results)
    first = (results / "small/runs.csv").read_bytes()
    write_digest(study, results)
    assert (results / "small/runs.csv").read_bytes() == first


def test_no_digest_is_no_rows(tmp_path: Path) -> None:
    assert read_digest("none", tmp_path).empty
    assert read_histories("none", tmp_path).empty
