"""Whole runs on the embedded sample: what they compute, what they leave, and what they never touch."""

import hashlib
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from dba_cli.config import config_hash
from dba_cli.config import load as load_config
from dba_cli.data import draw
from dba_cli.data import load as load_data
from dba_cli.errors import UserError
from dba_cli.experiments import _one_run as module
from dba_cli.experiments import _provenance
from dba_cli.records import RunFolder, _layout
from dba_cli.training import Stream, generator

from .lab import ADAM, ALL_THREE, DBA, EXPLODING, SGD, Reporter, config, do, files, history, result, timeless

RANDOM = {**DBA, "name": "random", "rule": "random"}


def refused(results: Path, *arguments: Any, **keys: Any) -> str:
    """Run, expect a refusal of one line before anything is trained, and return the line."""
    reporter = Reporter()
    with pytest.raises(UserError) as refusal:
        do(results, *arguments, reporter=reporter, **keys)
    assert reporter.runs == []
    line = str(refusal.value)
    assert "\n" not in line
    return line


# --- What a run computes -------------------------------------------------------------------------


def written_out_by_hand(seed: int) -> dict[str, Any]:
    """The sgd run of ``config()`` in plain PyTorch: its draw, final figures and start."""
    data = load_data("mnist", "embedded", Path("unused"), lambda line: None)
    indices = draw(data.train_labels, [3] * 10, generator(seed, Stream.DRAW))
    images, labels = data.train_images[indices].flatten(1) / 255, data.train_labels[indices]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator(seed, Stream.WEIGHTS))))
        model = torch.nn.Sequential(torch.nn.Linear(784, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def test() -> tuple[float, int]:
        with torch.no_grad():
            logits = model(data.test_images.flatten(1) / 255)
        wrong = int((logits.argmax(1) != data.test_labels).sum())
        return F.cross_entropy(logits.double(), data.test_labels).item(), wrong

    start, losses = test(), []
    order = generator(seed, Stream.ORDER)
    shuffles = [torch.randperm(30, generator=order) for _ in range(3)]
    batches = [shuffle[a:b] for shuffle in shuffles for a, b in ((0, 12), (12, 24), (24, 30))][:7]
    for batch in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"indices": indices.tolist(), "start": start, "losses": losses, "end": test()}


@pytest.mark.parametrize("seed", [0, 5])
def test_a_run_is_the_script_that_one_would_write(results: Path, seed: int) -> None:
    expected = written_out_by_hand(seed)
    (record,) = do(results, config(SGD, seeds=[seed]))

    assert record.data.draw_sha256 == hashlib.sha256(struct.pack("<30q", *expected["indices"])).hexdigest()
    assert record.final is not None
    assert record.final.train_loss == pytest.approx(expected["losses"][6])  # the only step since row 6
    assert record.final.test_loss == pytest.approx(expected["end"][0], rel=1e-5)
    assert record.final.test_errors == expected["end"][1]
    first = history(results / "exp" / "sgd" / f"seed-{seed}")[0]
    assert float(first["test_loss"]) == pytest.approx(expected["start"][0], rel=1e-5)
    assert float(first["test_accuracy"]) == (4000 - expected["start"][1]) / 4000


def test_the_same_command_twice_leaves_the_same_bits(tmp_path: Path) -> None:
    whole = config(*ALL_THREE, RANDOM, seeds=[0, 1])
    torch.manual_seed(1)
    do(tmp_path / "a" / "results", whole)
    torch.manual_seed(2)
    do(tmp_path / "b" / "results", whole)
    first, second = timeless(tmp_path / "a" / "results"), timeless(tmp_path / "b" / "results")
    assert len(first) == 1 + 8 * 3
    assert first == second


def test_a_run_does_not_depend_on_the_runs_beside_it(tmp_path: Path) -> None:
    do(tmp_path / "a" / "results", config(*ALL_THREE, RANDOM, seeds=[0, 1]))
    do(tmp_path / "b" / "results", config(RANDOM, seeds=[1]))
    run = Path("results", "exp", "random", "seed-1")
    assert timeless(tmp_path / "a" / run) == timeless(tmp_path / "b" / run)


def start(results: Path, optimizer: str = "sgd", seed: int = 0) -> tuple[dict[str, str], str]:
    """Return the first row of the history, and the draw."""
    run = results / "exp" / optimizer / f"seed-{seed}"
    row = {key: value for key, value in history(run)[0].items() if value and key != "seconds"}
    return row, result(run)["data"]["draw_sha256"]


def test_runs_of_one_seed_start_equal(results: Path) -> None:
    do(results, config(*ALL_THREE, RANDOM, seeds=[0, 1]))
    names = ["sgd", "adam", "dba", "random"]
    for seed in (0, 1):
        assert all(start(results, name, seed) == start(results, "sgd", seed) for name in names)
    (row, drawn), (other_row, other_drawn) = start(results, seed=0), start(results, seed=1)
    assert row["test_loss"] != other_row["test_loss"]
    assert drawn != other_drawn


@pytest.mark.parametrize(
    ("changes", "same_weights", "same_draw"),
    [
        ({"draw": {"per_class": 4}}, True, False),
        ({"hidden": [9]}, False, True),
        ({"batch_size": 7, "steps": 2, "evaluation": {"steps": 1}}, True, True),
    ],
)
def test_the_streams_of_a_seed_are_independent(
    tmp_path: Path, changes: dict[str, Any], same_weights: bool, same_draw: bool
) -> None:
    do(tmp_path / "a", config(SGD))
    do(tmp_path / "b", config(SGD, **changes))
    (row, drawn), (other_row, other_drawn) = start(tmp_path / "a"), start(tmp_path / "b")
    assert (row == other_row) is same_weights
    assert (drawn == other_drawn) is same_draw


def test_random_subsets_have_a_stream_of_their_own(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = set()
    real = module.gradient_rule

    def noting(entry: Any, model: torch.nn.Module, drawn_from: torch.Generator) -> Any:
        given.add(drawn_from.initial_seed())
        return real(entry, model, drawn_from)

    monkeypatch.setattr(module, "gradient_rule", noting)
    do(results, config(RANDOM, seeds=[0, 1], steps=1))
    given.discard(torch.Generator().initial_seed())  # of the look at the network before any run
    assert given == {generator(seed, Stream.SELECTION).initial_seed() for seed in (0, 1)}


# --- What a run leaves ---------------------------------------------------------------------------


def test_what_a_record_says(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_provenance, "git_revision", lambda: "a revision")
    (record,) = do(results, config(DBA, seeds=[7]))
    run = results / "exp" / "dba" / "seed-7"
    said = result(run)

    assert RunFolder(run).read() == record
    assert said["format"] == 1
    assert (said["status"], said["diverged_at_step"]) == ("finished", None)
    assert (said["experiment"], said["optimizer"], said["optimizer_kind"], said["seed"]) == (
        "exp",
        "dba",
        "dba",
        7,
    )
    assert said["protocol"] == "random draw"
    assert "NOT comparable to the paper's" in said["data"].pop("notice")
    assert len(said["data"].pop("draw_sha256")) == 64
    assert said["data"] == {
        "dataset": "mnist",
        "title": "MNIST",
        "source": "embedded",
        "sha256": None,
        "draw": {"per_class": 3},
        "labels_sha256": None,
        "trusted_sha256": None,
        "n_train": 30,
        "n_test": 4000,
        "evaluated_on": "test",
    }
    assert said["parameters"] == 784 * 8 + 8 + 8 * 10 + 10
    final = said["final"]
    assert (final["step"], final["epoch"], final["samples_processed"]) == (7, pytest.approx(72 / 30), 72)
    assert final["test_accuracy"] == (4000 - final["test_errors"]) / 4000
    assert said["git_revision"] == "a revision"
    assert said["versions"]["torch"] == version("torch")  # without the build behind the plus
    assert (said["device"]["type"], said["device"]["threads"]) == ("cpu", 1)
    assert datetime.fromisoformat(said["durations"]["finished_at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("drawn", "n", "protocol"),
    [
        ({"fraction": 0.001}, 60, "random draw"),
        ({"per_class": 100}, 1000, "random draw"),
        ({"fraction": 1.0}, 1000, "full training set"),
    ],
)
def test_the_protocol_and_the_draw_as_the_config_gives_it(
    results: Path, drawn: dict[str, Any], n: int, protocol: str
) -> None:
    (record,) = do(results, config(SGD, draw=drawn, steps=1))
    assert (record.protocol, record.data.draw, record.data.n_train) == (protocol, drawn, n)


def test_the_config_beside_a_record_is_that_run_and_no_other(tmp_path: Path, results: Path) -> None:
    (record, _) = do(results, config(SGD, ADAM, source="auto"))
    again = load_config(results / "exp" / "sgd" / "seed-0" / "config.yaml", ())
    assert config_hash(again) == record.config_hash
    assert ([entry.name for entry in again.optimizers], again.seeds) == (["sgd"], [0])
    assert again.data.source == "embedded"
    do(tmp_path / "again", again)
    same = [result(at / "exp" / "sgd" / "seed-0")["final"] for at in (results, tmp_path / "again")]
    assert same[0] == same[1]


def test_the_columns_and_rows_of_a_history(results: Path) -> None:
    do(results, config(SGD, DBA, hidden=[8, 6]))
    common = ["step", "epoch", "samples_processed", "train_loss", "test_loss", "test_accuracy", "test_errors"]
    plain, dba = (history(results / "exp" / name / "seed-0") for name in ("sgd", "dba"))
    assert list(plain[0]) == [*common, "seconds"]
    layers = [f"fraction.{layer}" for layer in ("hidden1", "hidden2", "output")]
    assert set(dba[0]) == {*common, "seconds", *layers}
    for rows in (plain, dba):
        assert [row["step"] for row in rows] == ["0", "3", "6", "7"]
        assert [row["samples_processed"] for row in rows] == ["0", "30", "60", "72"]
        assert [float(row["epoch"]) for row in rows] == pytest.approx([0, 1, 2, 72 / 30], abs=1e-6)
        assert [row["train_loss"] == "" for row in rows] == [True, False, False, False]
    assert [dba[0][layer] for layer in layers] == ["", "", ""]
    fractions = [float(row[layer]) for row in dba[1:] for layer in layers]
    assert 0.25 <= min(fractions) < max(fractions) <= 1


@pytest.mark.parametrize("name", ["sgd", "adam", "dba"])
def test_the_final_figures_are_the_last_row_to_the_bit(results: Path, name: str) -> None:
    do(results, config())
    run = results / "exp" / name / "seed-0"
    last, final = history(run)[-1], result(run)["final"]
    assert final.pop("copies_errors") is final.pop("stopping_errors") is None
    assert final.pop("drop_precision") == final.pop("drop_recall") == {}  # no label is made wrong
    fractions = {f"fraction.{layer}": share for layer, share in final.pop("fractions").items()}
    assert {key: float(last[key]) for key in last if key != "seconds"} == final | fractions


def test_the_experiment_says_what_makes_it_complete(results: Path) -> None:
    whole = config(SGD, ADAM, seeds=[2, 0])
    (record,) = do(results, whole, optimizers=["sgd"], seeds=[2])
    said = _layout.ExperimentFolder(results / "exp").plan()
    assert (said.name, said.description, said.paper, said.seeds) == ("exp", "A small one.", None, [2, 0])
    assert said.optimizers == {
        "sgd": record.config_hash,
        "adam": config_hash(whole.narrowed("adam", 0, "embedded")),
    }


def test_the_code_is_that_of_the_start(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed while runs go on is not what they ran."""
    revisions = iter(["first", "second"])
    monkeypatch.setattr(_provenance, "git_revision", lambda: next(revisions))
    assert [record.git_revision for record in do(results, config(SGD, seeds=[0, 1]))] == ["first", "first"]
    assert next(revisions) == "second"


# --- Which runs are made -------------------------------------------------------------------------


def test_runs_go_seed_by_seed_and_are_announced(results: Path) -> None:
    reporter = Reporter()
    records = do(results, config(SGD, ADAM, seeds=[3, 1]), reporter=reporter)
    assert reporter.runs == [("sgd", 3), ("adam", 3), ("sgd", 1), ("adam", 1)]
    assert [run.number for run in reporter.begun] == [1, 2, 3, 4]
    assert {run.experiment for run in reporter.begun} == {"exp"}
    assert {(run.timeline.steps, run.timeline.steps_per_epoch) for run in reporter.begun} == {(7, 3)}
    assert reporter.plans == [("exp", 4, 0)]
    assert reporter.records == records
    assert [(record.optimizer, record.seed) for record in records] == reporter.runs


def test_several_experiments_read_their_data_once(results: Path) -> None:
    reporter = Reporter()
    do(results, config(SGD, name="a"), config(ADAM, name="b"), reporter=reporter)
    assert reporter.plans == [("a", 1, 0), ("b", 1, 0)]
    assert len(reporter.notices) == 1
    assert "EMBEDDED" in reporter.notices[0]


def test_finished_runs_are_left_alone(results: Path) -> None:
    do(results, config(SGD, seeds=[0]))
    before = files(results / "exp" / "sgd")
    reporter = Reporter()
    records = do(results, config(SGD, ADAM, seeds=[0, 1]), reporter=reporter)
    assert reporter.plans == [("exp", 3, 1)]
    assert reporter.runs == [("adam", 0), ("sgd", 1), ("adam", 1)]
    assert len(records) == 3
    after = files(results / "exp" / "sgd")
    assert {name: after[name] for name in before} == before


def test_the_second_time_there_is_nothing_to_do(results: Path) -> None:
    do(results, config(seeds=[0, 1]))
    before = files(results)
    reporter = Reporter()
    assert do(results, config(seeds=[0, 1]), reporter=reporter) == []
    assert (reporter.plans, reporter.runs) == ([("exp", 0, 6)], [])
    after = files(results)
    plan = str(Path("exp", "experiment.json"))
    assert after.pop(plan)[0] == before.pop(plan)[0]
    assert after == before


def test_a_source_found_is_the_source_named(results: Path) -> None:
    do(results, config(SGD, source="auto"))
    assert do(results, config(SGD, source="embedded")) == []


def test_overwrite_does_the_selected_runs_again(results: Path) -> None:
    do(results, config(SGD, ADAM))
    adam = files(results / "exp" / "adam")
    slower = {**SGD, "lr": 0.05}
    (record,) = do(results, config(slower, ADAM), optimizers=["sgd"], overwrite=True)
    assert files(results / "exp" / "adam") == adam
    assert RunFolder(results / "exp" / "sgd" / "seed-0").read() == record
    assert record.config_hash == config_hash(config(slower).narrowed("sgd", 0, "embedded"))
    assert "lr: 0.05" in (results / "exp" / "sgd" / "seed-0" / "config.yaml").read_text(encoding="utf-8")


# --- What is refused, before anything is trained -------------------------------------------------


def test_a_changed_config_is_refused_before_any_other_run(results: Path) -> None:
    do(results, config(SGD, name="old"))
    before = files(results)
    line = refused(results, config(SGD, name="new"), config({**SGD, "lr": 0.2}, name="old", seeds=[1, 0]))
    assert line.startswith(str(results / "old" / "sgd" / "seed-0"))
    assert "--overwrite" in line
    assert files(results) == before


@pytest.mark.parametrize(
    ("whole", "keys", "words"),
    [
        (
            config(SGD, batch_size=31),
            {},
            "more than the 30 images of the draw; give at most 30",
        ),
        (config(SGD, draw={"per_class": 101}), {}, "data.draw.per_class"),
        (config(SGD, draw={"fraction": 0.5}), {}, "data.draw.fraction"),
        (config(SGD), {"optimizers": ["sdg"]}, "did you mean 'sgd'?"),
        (config(SGD), {"seeds": [4]}, "--seed 4"),
    ],
)
def test_what_cannot_be_done_is_refused(results: Path, whole: Any, keys: dict[str, Any], words: str) -> None:
    assert words in refused(results, config(SGD, name="sound", seeds=[0, 4]), whole, **keys)
    assert files(results) == {}


def test_a_batch_as_large_as_the_draw_is_one_step_an_epoch(results: Path) -> None:
    (record,) = do(results, config(SGD, batch_size=30, steps=2))
    assert record.final is not None
    assert (record.final.epoch, record.final.samples_processed) == (2, 60)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"format": 1}', "\x00"])
def test_a_damaged_record_is_refused_and_kept(results: Path, damage: str) -> None:
    do(results, config(SGD))
    file = results / "exp" / "sgd" / "seed-0" / "result.json"
    file.write_text(damage, encoding="utf-8")
    line = refused(results, config(ADAM, SGD))
    assert line.startswith(f"{file}: damaged record: ")
    assert line.endswith("delete it and run again")
    assert file.read_text(encoding="utf-8") == damage
    (record,) = do(results, config(SGD), overwrite=True)
    assert RunFolder(file.parent).read() == record


@pytest.mark.parametrize(
    "place",
    [Path(), Path("second"), Path("second", "adam"), Path("second", "adam", "seed-1")],
)
def test_a_file_in_the_place_of_a_folder_is_refused(results: Path, place: Path) -> None:
    (results / place).parent.mkdir(parents=True, exist_ok=True)
    (results / place).write_text("in the way", encoding="utf-8")
    line = refused(results, config(SGD, name="first"), config(ADAM, name="second", seeds=[0, 1]))
    assert line.startswith(str(results / place))
    assert (results / place).read_text(encoding="utf-8") == "in the way"


# --- What goes wrong on the way ------------------------------------------------------------------


def test_a_run_that_diverges_is_recorded_and_the_others_go_on(results: Path) -> None:
    exploding = {**EXPLODING, "name": "exploding"}
    dba = {**DBA, "base": EXPLODING}
    whole = config(exploding, dba, ADAM, steps=30)
    first, second, third = do(results, whole)
    for record in (first, second):
        run = results / "exp" / record.optimizer / "seed-0"
        said = result(run)
        assert (said["status"], said["final"]) == ("diverged", None)
        assert 1 < said["diverged_at_step"] < 30
        steps = [int(row["step"]) for row in history(run)]
        assert steps == list(range(0, said["diverged_at_step"], 3))
    assert third.status == "finished"
    assert do(results, whole) == []  # as final as any other result


SEEDS = [0, 1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    results = tmp_path_factory.mktemp("uninterrupted") / "results"
    do(results, config(seeds=SEEDS))
    return timeless(results)


@pytest.mark.parametrize(
    ("run", "moment"),
    [(("sgd", 0), {"at_row": 0}), (("dba", 0), {"at_step": 5}), (("dba", 1), {"at_row": 7})],
)
def test_an_interrupted_experiment_is_completed_by_the_same_command(
    results: Path, uninterrupted: dict[str, object], run: tuple[str, int], moment: dict[str, int]
) -> None:
    interrupted = Reporter(interrupt=run, **moment)
    with pytest.raises(KeyboardInterrupt):
        do(results, config(seeds=SEEDS), reporter=interrupted)
    every = [(name, seed) for seed in SEEDS for name in ("sgd", "adam", "dba")]
    done = every[: every.index(run)]
    assert interrupted.runs == [*done, run]
    finished = [path.parent for path in results.rglob("result.json")]
    assert sorted(finished) == sorted(results / "exp" / name / f"seed-{seed}" for name, seed in done)
    before = [files(folder) for folder in finished]

    resumed = Reporter()
    do(results, config(seeds=SEEDS), reporter=resumed)
    assert resumed.runs == every[len(done) :]
    assert [files(folder) for folder in finished] == before
    assert timeless(results) == uninterrupted


def interrupt_in_training(monkeypatch: pytest.MonkeyPatch) -> Reporter:
    return Reporter(interrupt=("dba", 0), at_step=4)


def interrupt_before_the_result(monkeypatch: pytest.MonkeyPatch) -> Reporter:
    """Config and history are already those of the new run."""
    write = _layout.write_atomically

    def stop(path: Path, text: str, **keys: bool) -> None:
        if path.name == "result.json" and path.parent.parent.name == "dba":
            raise KeyboardInterrupt
        write(path, text, **keys)

    monkeypatch.setattr(_layout, "write_atomically", stop)
    return Reporter()


@pytest.mark.parametrize("interruption", [interrupt_in_training, interrupt_before_the_result])
def test_an_interrupted_overwrite_leaves_no_mixed_record(
    results: Path,
    uninterrupted: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    interruption: Callable[[pytest.MonkeyPatch], Reporter],
) -> None:
    do(results, config({**DBA, "metric": "norm", "order": "norm"}, seeds=SEEDS))
    run = results / "exp" / "dba" / "seed-0"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        do(results, config(seeds=SEEDS), reporter=interruption(patch), overwrite=True)
    assert RunFolder(run).read() is None
    # The other seed is still the old config's: it must be overwritten too, and says so.
    assert "--overwrite" in refused(results, config(seeds=SEEDS))
    do(results, config(seeds=SEEDS), overwrite=True)
    assert timeless(results) == uninterrupted


def test_an_exception_leaves_nothing_finished(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(module, "build_scheduler", broken)
    reporter = Reporter()
    assert do(results, config(SGD), reporter=reporter) == []
    assert [failure.error for failure in reporter.failures] == ["RuntimeError: a fault of the program"]
    assert "in broken" in reporter.failures[0].traceback
    assert list(results.rglob("result.json")) == []
