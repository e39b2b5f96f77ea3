"""A config as it stands on this machine: the network counted by hand, and the data that is there."""

from pathlib import Path

import pytest

from dba_cli.config import Config, load
from dba_cli.inspection import config_table, view_config

from .screen import lines

SMOKE = Path(__file__).parents[2] / "configs/smoke.yaml"


def shown(config: Config, tmp_path: Path, notes: list[str] | None = None) -> list[str]:
    """Return the lines of the table, each without the spaces between its cells."""
    data = tmp_path / "data"
    view = view_config(config, data, tmp_path / "results", [].append if notes is None else notes.append)
    return lines(config_table(view, "a config", data))


def test_layers_and_their_parameters(tmp_path: Path) -> None:
    table = shown(load(SMOKE, ["model.hidden=[7, 5]"]), tmp_path)
    start = table.index("model: 5,595 parameters")
    assert table[start + 3 : start + 6] == [
        f"hidden1 Linear 7 x 784, 7 {784 * 7 + 7:,}",
        f"hidden2 Linear 5 x 7, 5 {7 * 5 + 5}",
        f"output Linear 10 x 5, 10 {5 * 10 + 10}",
    ]


def test_the_plan_is_every_optimizer_with_every_seed(tmp_path: Path) -> None:
    table = shown(load(SMOKE), tmp_path)
    start = table.index("runs: 6 to do, 0 done")
    assert table[start + 3 :] == ["sgd 0-1 -", "adam 0-1 -", "dba 0-1 -"]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("source", "found", "said"),
    [("auto", "embedded", 1), ("embedded", "embedded", 0), ("official", "official", 0)],
)
def test_the_source_that_can_be_had_now(tmp_path: Path, source: str, found: str, said: int) -> None:
    notes: list[str] = []
    config = load(SMOKE, [f"data.source={source}"])
    view = view_config(config, tmp_path / "data", tmp_path / "results", notes.append)
    assert view.config.data.source == found
    assert len(notes) == said
    # The config is shown as it is written.
    assert f"source: {source}" in lines(config_table(view, "a config", tmp_path / "data"))
