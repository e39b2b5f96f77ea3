"""A digest against the records that it is made of."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from dba_cli.config import load_sweep
from dba_cli.experiments import Reporter, Settings, run_sweep
from reproduction.command import Command, Place

ROOT = Path(__file__).parents[2]
SWEEP = """
extends: {root}/configs/smoke.yaml
data: {{source: embedded}}
training: {{epochs: null, steps: 3, evaluation: {{epochs: null, steps: 2}}}}
seeds: [0, 1]
sweep:
  points: {{narrow: {{model.hidden: [4]}}, wide: {{model.hidden: [8]}}}}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return a sweep that has run and been digested."""
    root = tmp_path_factory.mktemp("results")
    path = root / "sweep.yaml"
    path.write_text(SWEEP.format(root=ROOT), encoding="utf-8")
    command = Command(Place(root=root), "small", path, curves_kept=True)
    results = command.place.results
    settings = Settings(data_dir=root / "none", results=results, device=torch.device("cpu"))
    run_sweep(load_sweep(path), command.folder, settings, Reporter())
    assert command.write_digest() == 2 * 2 * 3
    return command


def test_there_is_a_row_for_every_run_and_it_says_what_the_record_says(swept: Command) -> None:
    assert list(swept.runs["model.hidden"]) == [[4]] * 6 + [[8]] * 6
    for row in swept.runs.to_dict("records"):
        run = swept.folder / str(row["point"]) / str(row["optimizer"]) / f"seed-{row['seed']}"
        record = json.loads((run / "result.json").read_text())
        assert (row["errors"], row["steps"]) == (record["final"]["test_errors"], record["final"]["step"])
        assert record["config_hash"].startswith(row["config_hash"])
        revision = record["git_revision"]  # with "-dirty" behind it where files were changed
        assert revision is None or row["git_revision"][12:] == revision[40:]
        history = pd.read_csv(run / "history.csv")
        curve = swept.curves(pd.DataFrame([row]))
        assert curve.accuracy.tolist() == history.test_accuracy.tolist()
        assert curve.step.tolist() == history.step.tolist() == [0, 2, 3]


def test_the_same_runs_give_the_same_bytes(swept: Command) -> None:
    first = (swept.folder / "runs.csv").read_bytes()
    swept.write_digest()
    assert (swept.folder / "runs.csv").read_bytes() == first


def test_what_a_point_leaves_out_is_what_the_config_says(swept: Command) -> None:
    assert list(swept.values("training.steps")) == [3] * 12
    assert list(swept.values("model.hidden")) == [[4]] * 6 + [[8]] * 6
    assert swept.values("optimizers.dba.base").map(lambda base: base["kind"]).unique() == ["sgd"]


def test_no_digest_is_no_rows(tmp_path: Path) -> None:
    assert Command(Place(root=tmp_path), "screening").runs.empty
