"""From a config and options to the configs of the points."""

from pathlib import Path

import pytest

from dba_cli.config import config_hash, load, load_sweep
from dba_cli.config._sweep import point_name
from dba_cli.errors import UserError

SMOKE = Path(__file__).parents[2] / "configs/smoke.yaml"


def written(folder: Path, sweep: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(f"extends: {SMOKE}\nsweep: {sweep}\n", encoding="utf-8")
    return path


def test_a_point_is_the_config_with_its_values_set() -> None:
    sweep = load_sweep(SMOKE, grid=["optimizers.sgd.lr=0.01,0.5", "model.hidden=[20],[30, 10]"])
    assert sweep.experiment == "smoke"
    assert [tuple(point.values.values()) for point in sweep.points] == [
        (0.01, [20]), (0.01, [30, 10]), (0.5, [20]), (0.5, [30, 10]),
    ]  # fmt: skip
    by_hand = load(SMOKE, ["optimizers.sgd.lr=0.5", "model.hidden=[30, 10]"])
    last = sweep.points[-1].config
    assert last.optimizers == by_hand.optimizers
    assert last.model == by_hand.model
    assert config_hash(last.narrowed("sgd", 0, "embedded")) == config_hash(
        by_hand.narrowed("sgd", 0, "embedded")
    )
    assert "optimizers.sgd.lr=0.5" in last.experiment.description


def test_an_option_takes_the_place_of_the_section(tmp_path: Path) -> None:
    path = written(tmp_path, "{grid: {training.batch_size: [10, 20]}, random: 1, seed: 5}")
    assert [len(load_sweep(path).points), load_sweep(path).seed] == [1, 5]
    sizes = {point.values["training.batch_size"] for point in load_sweep(path, random=2).points}
    assert sizes == {10, 20}
    other = load_sweep(path, grid=["training.batch_size=30,40"], random=2).points
    assert {point.values["training.batch_size"] for point in other} == {30, 40}


def test_a_range_is_drawn_from() -> None:
    sweep = load_sweep(SMOKE, grid=["optimizers.sgd.lr={low: 0.01, high: 1, log: true}"], random=4, seed=2)
    rates = [point.values["optimizers.sgd.lr"] for point in sweep.points]
    assert len(set(rates)) == 4
    assert all(0.01 <= rate <= 1 for rate in rates)
    assert [point.config.optimizers[0].lr for point in sweep.points] == rates  # type: ignore[union-attr]


def test_a_name_depends_on_the_point_alone() -> None:
    small = load_sweep(SMOKE, grid=["optimizers.sgd.lr=0.1"]).points
    large = load_sweep(SMOKE, grid=["optimizers.sgd.lr=0.5,0.1,0.2"]).points
    assert small[0].name in {point.name for point in large}
    assert len({point.name for point in large}) == 3
    assert point_name({"a": 1, "b": 2}) == point_name({"b": 2, "a": 1}) != point_name({"a": 2, "b": 1})


def test_names_are_folders_on_every_system() -> None:
    names = [
        point_name({"a.lr": value}) for value in ["Ünï cøde/..", "../../x", "", -1.5, None, [1, {"b": 2}]]
    ]
    names += [point_name({"a.lr": 1, "b.lr": 1}), point_name({"k" * 200: "v" * 200})]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.isascii()
        assert len(name) <= 70
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
        assert name[0].isalnum()
    assert names[-2].startswith("a.lr-1_b.lr-1-")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing to sweep"),
        (["optimizers.sgd.lr"], "--grid optimizers.sgd.lr: give KEY=V1,V2"),
        (["=1,2"], "give KEY=V1,V2"),
        (["optimizers.sgd.lr="], "a list of choices"),
        (["optimizers.sgd.lr=[1"], "--grid optimizers.sgd.lr=[1: not valid YAML"),
        (["optimizers.sgd.lr=0.1,0.1"], "stands twice"),
        (["optimizers.sgd.lrr=0.1,0.2"], "did you mean 'lr'"),
        (["optimizers.sgdd.lr=0.1"], "did you mean 'sgd'"),
        (["optimizers.sgd.lr=0.1,-2"], "(optimizers.sgd.lr=-2)"),
        (["optimizers.sgd.lr={low: 1, high: 2}"], "is a range"),
        (["seeds=0,1"], "seeds cannot be swept"),
        (["experiment.name=a,b"], "experiment.name cannot be swept"),
        (["sweep.random=1,2"], "sweep.random cannot be swept"),
        (["model={kind: mlp},{kind: cnn}", "model.hidden=[3],[4]"], "model holds model.hidden"),
    ],
)
def test_a_faulty_option_is_refused_in_one_line(options: list[str], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        load_sweep(SMOKE, grid=options)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("{grid: {training.batch_size: 3}}", "a list of choices"),
        ("{grd: {training.batch_size: [3]}}", "did you mean 'grid'"),
        ("{grid: {training.batch_sise: [3]}}", "sweep.yaml:2 (training.batch_sise=3)"),
    ],
)
def test_a_faulty_section_is_refused_with_its_place(tmp_path: Path, sweep: str, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        load_sweep(written(tmp_path, sweep))
    assert said in str(refusal.value)


@pytest.mark.parametrize(("random", "seed", "said"), [(0, 0, "--random 0"), (1, -1, "--sweep-seed -1")])
def test_numbers_out_of_range(random: int, seed: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_sweep(SMOKE, grid=["training.batch_size=10,20"], random=random, seed=seed)


def test_a_run_of_a_config_is_the_same_with_and_without_its_sweep(tmp_path: Path) -> None:
    path = written(tmp_path, "{grid: {training.batch_size: [10, 20]}}")
    runs = [load(each).narrowed("dba", 1, "embedded") for each in (SMOKE, path)]
    assert config_hash(runs[0]) == config_hash(runs[1])
