"""From a config, its sweep section and options to the configs of the points."""

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


def test_a_config_need_not_vary_what_its_base_does(tmp_path: Path) -> None:
    written(tmp_path, "{grid: {training.batch_size: [10, 20]}, points: {small: {model.hidden: [4]}}}")
    path = tmp_path / "final.yaml"
    path.write_text("extends: sweep.yaml\nsweep: {grid: null}\n", encoding="utf-8")
    assert [point.name for point in load_sweep(path).points] == ["small"]


def test_an_option_takes_the_place_of_the_section(tmp_path: Path) -> None:
    path = written(tmp_path, "{grid: {training.batch_size: [10, 20]}, random: 1, seed: 5}")
    wide = ["training.batch_size={low: 1, high: 1000000}"]
    (drawn,), (same,), (other,) = (load_sweep(path, grid=wide, seed=seed).points for seed in (None, 5, 0))
    assert drawn.values == same.values != other.values
    sizes = {point.values["training.batch_size"] for point in load_sweep(path, random=2).points}
    assert sizes == {10, 20}
    listed = load_sweep(path, grid=["training.batch_size=30,40"], random=2).points
    assert {point.values["training.batch_size"] for point in listed} == {30, 40}


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
    ("sweep", "options", "said"),
    [
        ("{}", [], "nothing to sweep"),
        ("{}", ["optimizers.sgd.lr"], "--grid optimizers.sgd.lr: give KEY=V1,V2"),
        ("{}", ["=1,2"], "give KEY=V1,V2"),
        ("{}", ["optimizers.sgd.lr="], "a list of choices"),
        ("{}", ["optimizers.sgd.lr=[1"], "--grid optimizers.sgd.lr=[1: not valid YAML"),
        ("{}", ["optimizers.sgd.lr=0.1,0.1"], "stands twice"),
        ("{}", ["optimizers.sgd.lrr=0.1,0.2"], "did you mean 'lr'"),
        ("{}", ["optimizers.sgdd.lr=0.1"], "did you mean 'sgd'"),
        ("{}", ["optimizers.sgd.lr=0.1,-2"], "(optimizers.sgd.lr=-2)"),
        ("{}", ["optimizers.sgd.lr={low: 1, high: 2}"], "is a range"),
        ("{}", ["seeds=0,1"], "seeds cannot be swept"),
        ("{}", ["experiment.name=a,b"], "experiment.name cannot be swept"),
        ("{}", ["sweep.random=1,2"], "sweep.random cannot be swept"),
        ("{}", ["model={kind: mlp},{kind: cnn}", "model.hidden=[3],[4]"], "model holds model.hidden"),
        ("{grid: {training.batch_size: 3}}", [], "a list of choices"),
        ("{grd: {training.batch_size: [3]}}", [], "did you mean 'grid'"),
        ("{grid: {training.batch_sise: [3]}}", [], "sweep.yaml:2 (training.batch_sise=3)"),
        ("{points: [{a: {seeds: 1-2}}, {b: {}}]}", [], "sweep.yaml:2: seeds cannot be swept"),
        ("{points: [{a: {model.hidden: [3]}}, {b: {model.hidden: [4]}}]}", [], "another group too"),
        ("{points: [{a: {}, a_b: {}}, {b_c: {}, c: {}}]}", [], "two points would have the same name"),
        ("{points: {a: {model..hidden: [3]}}}", [], "is no dotted key"),
        ("{points: {a b: {}}}", [], "sweep.yaml:2: sweep.points.a b"),
        ("{points: {a: {}, A: {}}}", [], "the names of points must be distinct, got a more than once"),
        ("{points: {a: {model.hiden: [3]}}}", [], "hiden"),
        ("{points: {a: {seeds: 1-2}}}", [], "seeds cannot be swept"),
        ("{points: {a: {model: {}}}, grid: {model.hidden: [[3], [4]]}}", [], "model holds model.hidden"),
    ],
)
def test_a_fault_is_refused_in_one_line(tmp_path: Path, sweep: str, options: list[str], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        load_sweep(written(tmp_path, sweep), grid=options)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("random", "seed", "said"), [(0, 0, "--random 0"), (1, -1, "--sweep-seed -1")])
def test_numbers_out_of_range(random: int, seed: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_sweep(SMOKE, grid=["training.batch_size=10,20"], random=random, seed=seed)


def test_a_run_of_a_config_is_the_same_with_and_without_its_sweep(tmp_path: Path) -> None:
    path = written(tmp_path, "{grid: {training.batch_size: [10, 20]}}")
    runs = [load(each).narrowed("dba", 1, "embedded") for each in (SMOKE, path)]
    assert config_hash(runs[0]) == config_hash(runs[1])


def test_each_named_point_is_an_experiment_of_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, "{points: {plain: {}, wide: {model.hidden: [30], training.batch_size: 20}}}")
    plain, wide = load_sweep(path).points
    assert (plain.name, plain.values) == ("plain", {})
    assert wide.name == wide.config.experiment.name == "wide"
    assert (wide.config.model.hidden, wide.config.training.batch_size) == ((30,), 20)  # type: ignore[union-attr]
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


def test_a_list_of_groups_is_their_product(tmp_path: Path) -> None:
    groups = "[{few: {}, many: {training.batch_size: 20}}, {slow: {optimizers.sgd.lr: 0.01}, fast: {}}]"
    points = load_sweep(written(tmp_path, f"{{points: {groups}}}")).points
    assert {point.name: point.values for point in points} == {
        "few_slow": {"optimizers.sgd.lr": 0.01},
        "few_fast": {},
        "many_slow": {"training.batch_size": 20, "optimizers.sgd.lr": 0.01},
        "many_fast": {"training.batch_size": 20},
    }
