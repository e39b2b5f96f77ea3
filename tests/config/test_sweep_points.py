"""Points by name in a config's sweep section."""

from pathlib import Path

import pytest

from dba_cli.config import load_sweep
from dba_cli.errors import UserError

ROOT = Path(__file__).parents[2]


def written(folder: Path, sweep: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(f"extends: {ROOT / 'configs/smoke.yaml'}\nsweep: {sweep}\n", encoding="utf-8")
    return path


def test_each_named_point_is_an_experiment_of_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, "{points: {plain: {}, wide: {model.hidden: [30], training.batch_size: 20}}}")
    plain, wide = load_sweep(path).points
    assert (plain.name, plain.values) == ("plain", {})
    assert wide.name == wide.config.experiment.name == "wide"
    assert (wide.config.model.hidden, wide.config.training.batch_size) == ([30], 20)  # type: ignore[union-attr]
    assert plain.config.model != wide.config.model


def test_with_a_grid_every_point_takes_every_combination(tmp_path: Path) -> None:
    path = written(
        tmp_path, "{grid: {training.batch_size: [10, 20]}, points: {a: {}, b: {model.hidden: [30]}}}"
    )
    found = [(point.values, point.name.split("_")[0]) for point in load_sweep(path).points]
    assert found == [
        ({"training.batch_size": 10}, "a"),
        ({"training.batch_size": 20}, "a"),
        ({"model.hidden": [30], "training.batch_size": 10}, "b"),
        ({"model.hidden": [30], "training.batch_size": 20}, "b"),
    ]
    assert len({point.name for point in load_sweep(path).points}) == 4


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("{points: {a: {}, A: {}}}", "the names of points must be distinct, got a more than once"),
        ("{points: {a: {model.hiden: [3]}}}", "hiden"),
        ("{points: {a: {seeds: 1-2}}}", "seeds cannot be swept"),
        ("{points: {a: {model: {}}}, grid: {model.hidden: [[3], [4]]}}", "model holds model.hidden"),
    ],
)
def test_a_faulty_point_is_refused(tmp_path: Path, sweep: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_sweep(written(tmp_path, sweep))
