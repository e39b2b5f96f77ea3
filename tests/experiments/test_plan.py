from pathlib import Path
from typing import Any

import pytest
import torch

from dba_cli.config import Config, config_hash
from dba_cli.errors import UserError
from dba_cli.experiments import Plan, Settings, plan

from .lab import ADAM, DBA, SGD, config, do


def planned(
    of: Config, results: Path, *, overwrite: bool = False, source: str = "embedded", **selectors: Any
) -> Plan:
    settings = Settings(results, results, torch.device("cpu"), overwrite=overwrite, **selectors)
    return plan(of, source, 30, settings)


def names(found: Plan) -> list[tuple[str, int]]:
    return [(run.optimizer, run.seed) for run in found.todo]


def done(found: Plan) -> list[str]:
    return [f"{folder.path.parent.name} {folder.path.name}" for folder in found.done]


def test_every_run_seed_by_seed_in_the_order_of_the_config(tmp_path: Path) -> None:
    found = planned(config(DBA, SGD, seeds=[4, 1]), tmp_path)
    assert names(found) == [("dba", 4), ("sgd", 4), ("dba", 1), ("sgd", 1)]
    assert [run.folder.path for run in found.todo] == [
        tmp_path / "exp" / name / f"seed-{seed}" for name, seed in names(found)
    ]
    assert done(found) == []
    assert list(tmp_path.iterdir()) == []


def test_a_run_has_the_config_of_its_optimizer_its_seed_and_the_source_that_was_found(tmp_path: Path) -> None:
    whole = config(SGD, DBA, seeds=[0, 1], source="auto")
    for run in planned(whole, tmp_path).todo:
        (entry,) = (entry for entry in whole.optimizers if entry.name == run.optimizer)
        assert run.config.optimizers == [entry]
        assert run.config.seeds == [run.seed]
        assert run.config.data.source == "embedded"
        assert (run.config.model, run.config.training) == (whole.model, whole.training)
        assert run.hash == config_hash(run.config)


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ({"optimizers": ["dba"]}, [("dba", 0), ("dba", 1), ("dba", 2)]),
        ({"seeds": [2, 0]}, [("sgd", 0), ("dba", 0), ("sgd", 2), ("dba", 2)]),
        ({"optimizers": ["dba", "sgd"], "seeds": [1, 1]}, [("sgd", 1), ("dba", 1)]),
    ],
)
def test_selectors_narrow_the_runs_and_not_the_experiment(
    tmp_path: Path, selectors: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    whole = config(SGD, DBA, seeds=[0, 1, 2])
    found = planned(whole, tmp_path, **selectors)
    assert names(found) == expected
    assert found.record == planned(whole, tmp_path).record


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ({"optimizers": ["adm"]}, "--optimizer adm: not in experiment 'exp'; did you mean 'adam'?"),
        (
            {"optimizers": ["sgd", "lbfgs"]},
            "--optimizer lbfgs: not in experiment 'exp'; choose from adam, dba, sgd",
        ),
        (
            {"seeds": [0, 7]},
            "--seed 7: not in experiment 'exp', whose seeds are 0-3; --set seeds=0-7 gives it more",
        ),
    ],
)
def test_a_selector_that_names_nothing_is_refused(
    tmp_path: Path, selectors: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as refusal:
        planned(config(seeds=range(4)), tmp_path, **selectors)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("seeds", "said"), [([5], "5"), ([0, 1], "0-1"), ([0, 2, 3], "0, 2, 3"), ([3, 2], "3, 2")]
)
def test_the_seeds_that_there_are_in_few_words(tmp_path: Path, seeds: list[int], said: str) -> None:
    with pytest.raises(UserError, match=rf"whose seeds are {said}; "):
        planned(config(seeds=seeds), tmp_path, seeds=[99])


def test_what_an_experiment_is_made_of(tmp_path: Path) -> None:
    paper = {"test_accuracy": 97.79, "error_reduction": 81.78}
    found = planned(config(SGD, ADAM, seeds=[3, 1], paper=paper), tmp_path)
    runs = found.todo
    assert found.record.model_dump() == {
        "format": 1,
        "name": "exp",
        "description": "A small one.",
        "paper": paper,
        "optimizers": {"sgd": runs[0].hash, "adam": runs[1].hash},
        "seeds": [3, 1],
    }
    assert len({run.hash for run in runs}) == 2  # the same for each seed, another for each optimizer
    assert planned(config(), tmp_path).record.paper is None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results folder in which sgd has finished with seeds 0 and 1, and dba with seed 0."""
    results = tmp_path_factory.mktemp("finished") / "results"
    do(results, config(SGD, seeds=[0, 1], steps=1))
    do(results, config(DBA, seeds=[0], steps=1))
    return results


def test_finished_runs_are_done(finished: Path) -> None:
    found = planned(config(SGD, DBA, seeds=[0, 1], steps=1), finished)
    assert done(found) == ["sgd seed-0", "dba seed-0", "sgd seed-1"]
    assert names(found) == [("dba", 1)]


def test_with_overwrite_none_is(finished: Path) -> None:
    found = planned(config(SGD, DBA, seeds=[0, 1], steps=1), finished, overwrite=True)
    assert (done(found), len(found.todo)) == ([], 4)


@pytest.mark.parametrize(
    ("changed", "source", "what"),
    [
        (config(SGD, steps=2), "embedded", "training.steps: 1 before, 2 now"),
        (config({**SGD, "lr": 0.2}, steps=1), "embedded", "optimizer.lr: 0.1 before, 0.2 now"),
        (config(SGD, steps=1, hidden=[9]), "embedded", "model.hidden: [8] before, [9] now"),
        (config(SGD, steps=1, draw={"per_class": 4}), "embedded", "data.draw.per_class: 3 before, 4 now"),
        (config(SGD, steps=1, source="auto"), "official", "data.source: embedded before, official now"),
        (
            config(SGD, steps=None, epochs=3),
            "embedded",
            "training.steps: 1 before, none now; training.epochs: none before, 3 now",
        ),
    ],
)
def test_a_finished_run_of_another_config_or_on_other_data_is_refused(
    finished: Path, changed: Config, source: str, what: str
) -> None:
    with pytest.raises(UserError) as refusal:
        planned(changed, finished, source=source)
    assert str(refusal.value) == (
        f"{finished / 'exp' / 'sgd' / 'seed-0'}: holds a finished run of another config "
        f"({what}); --overwrite replaces it, --results DIR keeps both"
    )


def test_another_config_is_only_refused_where_it_is_asked_for(finished: Path) -> None:
    whole = config(SGD, {**DBA, "metric": "norm"}, seeds=[0], steps=1)
    assert done(planned(whole, finished, optimizers=["sgd"])) == ["sgd seed-0"]
    with pytest.raises(UserError, match="seed-0: holds a finished run of another config"):
        planned(whole, finished)


def test_words_that_change_no_computation_keep_a_run_done(finished: Path) -> None:
    whole = config(SGD, steps=1, paper={"test_accuracy": 1.0, "error_reduction": 2.0})
    assert done(planned(whole, finished)) == ["sgd seed-0"]


def test_a_folder_without_a_result_is_not_done(tmp_path: Path) -> None:
    folder = tmp_path / "exp" / "sgd" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("step\n0\n", encoding="utf-8")
    assert done(planned(config(SGD), tmp_path)) == []
