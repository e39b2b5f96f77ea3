"""A config as it stands on this machine: the network counted by hand, and the data that is there."""

from pathlib import Path

import pytest

from dba_cli.config import Config, load
from dba_cli.inspection import ConfigView, view_config

SMOKE = Path(__file__).parents[2] / "configs/smoke.yaml"


def viewed(config: Config, tmp_path: Path, notes: list[str] | None = None) -> ConfigView:
    return view_config(
        config, tmp_path / "data", tmp_path / "results", [].append if notes is None else notes.append
    )


def test_layers_and_their_parameters(tmp_path: Path) -> None:
    view = viewed(load(SMOKE, ["model.hidden=[7, 5]"]), tmp_path)
    assert [(layer.kind, layer.parameters) for layer in view.layers] == [
        ("Linear", 784 * 7 + 7),
        ("Linear", 7 * 5 + 5),
        ("Linear", 5 * 10 + 10),
    ]
    assert view.parameters == 5495 + 40 + 60
    assert [layer.name for layer in view.layers] == ["hidden1", "hidden2", "output"]
    assert [layer.shapes for layer in view.layers][1] == "5 x 7, 5"


def test_the_plan_is_every_optimizer_with_every_seed(tmp_path: Path) -> None:
    view = viewed(load(SMOKE), tmp_path)
    assert [(run.optimizer, run.seed, run.done, run.disowned) for run in view.runs] == [
        (name, seed, False, False) for seed in (0, 1) for name in ("sgd", "adam", "dba")
    ]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("source", "found", "said"),
    [("auto", "embedded", 1), ("embedded", "embedded", 0), ("official", "official", 0)],
)
def test_the_source_that_can_be_had_now(tmp_path: Path, source: str, found: str, said: int) -> None:
    notes: list[str] = []
    view = viewed(load(SMOKE, [f"data.source={source}"]), tmp_path, notes)
    assert view.config.data.source == found
    assert len(notes) == said
    assert f"source: {source}" in view.yaml  # the config as it is written
