"""What the options of a run leave in its record: traces, deformed copies, validation, batches of its own."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from dba_cli.config import Config
from dba_cli.data import deskew, draw
from dba_cli.data._embedded import load_embedded
from dba_cli.errors import UserError
from dba_cli.experiments._images import Images
from dba_cli.records import RunFolder, RunRecord, read_predictions, read_trace
from dba_cli.training import DeformedImages, Stream, generator

from .lab import ALL_THREE, DBA, EXPLODING, SGD, config, do, history, result, timeless


def changed(base: Config, **data: Any) -> Config:
    """The config with other keys of ``data``."""
    content = base.model_dump()
    content["data"].update(data)
    return Config.model_validate(content)


def shuffles(n: int, batch: int, steps: int, seed: int = 0, *, whole: bool = False) -> list[list[int]]:
    """The batches of a run: the shuffles of its order stream, cut by hand."""
    stream, found, rest = generator(seed, Stream.ORDER), [], []
    while len(found) < steps:
        rest = (rest if whole else []) + torch.randperm(n, generator=stream).tolist()
        while len(rest) >= (batch if whole else 1):
            found.append(rest[:batch])
            rest = rest[batch:]
    return found[:steps]


@pytest.mark.parametrize("name", ["sgd", "dba"])
def test_the_trace_is_of_what_training_did(results: Path, name: str) -> None:
    do(results, config(*ALL_THREE, trace=True), optimizers=[name])
    folder = RunFolder(results / "exp" / name / "seed-0")
    trace = read_trace(folder.trace_file)
    batches = shuffles(30, 12, 7)
    assert trace.steps.tolist() == [step for step, batch in enumerate(batches, start=1) for _ in batch]
    assert trace.images.tolist() == [image for batch in batches for image in sorted(batch)]
    assert trace.layers == (["hidden1", "output"] if name == "dba" else [])
    for since, row in ((1, history(folder.path)[1]), (4, history(folder.path)[2])):  # steps 1-3 and 4-6
        within = (trace.steps >= since) & (trace.steps < since + 3)
        for layer in trace.layers:
            share = trace.chosen[layer][within].mean()
            assert float(row[f"fraction.{layer}"]) == pytest.approx(share)
    wrong = read_predictions(folder.predictions_file) != load_embedded()[3].numpy()
    assert int(wrong.sum()) == result(folder.path)["final"]["test_errors"]


def test_a_trace_changes_nothing_else(tmp_path: Path) -> None:
    for folder, trace in (("a", False), ("b", True)):
        do(tmp_path / folder / "results", config(*ALL_THREE, trace=trace))
    first, second = (timeless(tmp_path / folder / "results") for folder in "ab")
    extra = {path for path in second if path.endswith(".npz")}
    assert len(extra) == 6
    assert second.keys() - extra == first.keys()
    for path in first:
        if path.endswith("history.csv"):
            assert second[path] == first[path]
        if path.endswith("result.json"):
            ours, theirs = first[path], second[path]
            assert isinstance(ours, dict)
            assert isinstance(theirs, dict)
            assert (ours["final"], ours["data"]) == (theirs["final"], theirs["data"])


def test_a_diverged_run_has_a_trace_up_to_there(results: Path) -> None:
    (record,) = do(results, config({"name": "gone", **EXPLODING}, steps=100, trace=True))
    assert record.diverged_at_step is not None
    trace = read_trace(RunFolder(results / "exp/gone/seed-0").trace_file)
    assert trace.steps[-1] in (record.diverged_at_step, record.diverged_at_step - 1)


DEFORMED = {"deformation": {"rotation": 15, "translation": 2, "elastic": 1}}


@pytest.fixture(autouse=True)
def _few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dba_cli.training._deformation._FIELDS", 50)


def final(record: RunRecord) -> Any:
    assert record.final is not None
    return record.final


def test_deformed_copies_are_of_the_seed(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    class Watched(DeformedImages):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            seeds.append(self.generator.initial_seed())

    monkeypatch.setattr("dba_cli.experiments._one_run.DeformedImages", Watched)
    do(results, config(SGD, seeds=[0, 5], **DEFORMED))
    assert seeds == [generator(seed, Stream.DEFORMATION).initial_seed() for seed in (0, 5)]


def test_batches_of_deformed_copies_may_exceed_the_draw(results: Path) -> None:
    (record,) = do(results, config(DBA, batch_size=70, trace=True, **DEFORMED))
    trace = read_trace(RunFolder(results / "exp/dba/seed-0").trace_file)
    expected = [sorted(batch) for batch in shuffles(30, 70, 7, whole=True)]
    assert trace.images.tolist() == [image for batch in expected for image in batch]
    assert record.protocol == "random draw, deformed"
    assert final(record).samples_processed == 490
    assert final(record).epoch == pytest.approx(490 / 30, abs=1e-6)


def test_an_optimizer_may_have_a_batch_size_of_its_own(results: Path) -> None:
    wide = {**DBA, "batch_size": 30}
    sgd, dba = do(results, config(SGD, wide, epochs=2, steps=None, evaluation={"epochs": 1}))
    assert (final(sgd).step, final(dba).step) == (6, 2)  # 12, 12, 6 an epoch; 30 at once
    assert (final(sgd).epoch, final(dba).epoch) == (2, 2)


@pytest.mark.parametrize(
    ("optimizer", "training", "key"),
    [
        (SGD, {"batch_size": 31}, "training.batch_size 31"),
        ({**DBA, "batch_size": 31}, {}, "dba.batch_size 31"),
    ],
)
def test_plain_batches_may_not(
    results: Path, optimizer: dict[str, Any], training: dict[str, Any], key: str
) -> None:
    with pytest.raises(
        UserError, match=f"^exp: {key} is more than the 30 images of the draw; give at most 30$"
    ):
        do(results, config(optimizer, **training))
    assert not (results / "exp").exists()


def test_copies_are_counted_beside_the_accuracy(results: Path) -> None:
    length, copied = {"steps": 60, "evaluation": {"steps": 60}}, {"evaluation": {"steps": 60, "copies": 3}}
    (without,) = do(results, config(SGD, name="without", **DEFORMED, **length))
    (copies,) = do(results, config(SGD, name="with", **DEFORMED, **{**length, **copied}))
    (unchanged,) = do(results, config(SGD, name="unchanged", deformation={}, **{**length, **copied}))
    (plain,) = do(results, config(SGD, name="plain", **{**length, **copied}))
    assert final(without).copies_errors is None
    assert final(plain).copies_errors is None
    assert final(copies).test_errors == final(without).test_errors
    assert final(copies).copies_errors not in (None, final(copies).test_errors)
    # Of copies that are the image itself, the mean is the prediction.
    assert final(unchanged).copies_errors == final(unchanged).test_errors


def test_the_validation_split_takes_the_place_of_the_test_set(results: Path) -> None:
    (record,) = do(results, changed(config(SGD, trace=True), evaluate_on="validation"))
    assert (record.data.n_test, record.data.evaluated_on) == (1000 // 6, "validation")
    assert record.protocol == "random draw, validation split"
    folder = RunFolder(results / "exp/sgd/seed-0")
    assert len(read_predictions(folder.predictions_file)) == 1000 // 6


def test_a_noisy_validation_split_has_labels_as_wrong_as_the_draw_s(results: Path) -> None:
    wanted = changed(
        config(SGD, trace=True), evaluate_on="noisy_validation", noise={"kind": "pair", "rate": 0.4}
    )
    (record,) = do(results, wanted)
    assert record.protocol == "random draw, 40 % pair label noise, validation split with labels as wrong"
    images = Images(results)
    right, wrong = (
        images.evaluation(
            wanted.data.model_copy(update={"evaluate_on": where}), torch.device("cpu"), 0
        ).labels
        for where in ("validation", "noisy_validation")
    )
    moved = (wrong - right) % 10
    assert (int((moved == 1).sum()), int((moved == 0).sum())) == (66, 100)  # round(0.4 x 166)
    predicted = read_predictions(RunFolder(results / "exp/sgd/seed-0").predictions_file)
    assert final(record).test_errors == int((torch.from_numpy(predicted) != wrong).sum())


def test_early_stopping_keeps_the_weights_that_erred_least_on_what_is_held_out(results: Path) -> None:
    length = {"steps": 40, "batch_size": 8, "evaluation": {"steps": 2}}
    wanted = config({**SGD, "lr": 0.3}, trace=True, early_stopping={"share": 0.2}, **length)
    (record,) = do(results, changed(wanted, noise={"kind": "symmetric", "rate": 0.4}))
    folder = RunFolder(results / "exp/sgd/seed-0")
    rows = folder.history()
    fewest = min(row.stopping_errors for row in rows)
    best = next(row for row in rows if row.stopping_errors == fewest)
    assert best.test_errors != rows[-1].test_errors  # or the test would show nothing
    assert (final(record).step, final(record).test_errors) == (40, best.test_errors)
    wrong = read_predictions(folder.predictions_file) != load_embedded()[3].numpy()
    assert int(wrong.sum()) == best.test_errors
    held_out = torch.randperm(30, generator=generator(0, Stream.STOPPING))[:6].tolist()
    trained = {*read_trace(folder.trace_file).images.tolist()}
    assert trained == {*range(30)} - {*held_out}


@pytest.mark.parametrize("preprocessing", ["none", "deskew"])
def test_the_first_row_by_hand(results: Path, preprocessing: str) -> None:
    """The loss before training, of an untrained network on standardised test images."""
    do(results, changed(config(SGD), preprocessing=preprocessing, standardize=True))
    train, labels, test, test_labels = load_embedded()
    indices = draw(labels, [3] * 10, generator(0, Stream.DRAW))
    seen, tested = (images.float() / 255 for images in (train[indices], test))
    if preprocessing == "deskew":
        seen, tested = deskew(seen), deskew(tested)
    mean, std = seen.double().mean().item(), seen.double().std(correction=0).item()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator(0, Stream.WEIGHTS))))
        hidden, output = torch.nn.Linear(784, 8), torch.nn.Linear(8, 10)
    logits = output(hidden(((tested - mean) / std).flatten(1)).relu())
    first = history(results / "exp/sgd/seed-0")[0]
    assert float(first["test_loss"]) == pytest.approx(F.cross_entropy(logits, test_labels).item(), rel=1e-4)


def test_label_smoothing_and_bfloat16_reach_the_trainer(results: Path) -> None:
    plain, smooth, coarse = (
        do(results, config(SGD, name=name, steps=1, evaluation={"steps": 1}, **options))[0]
        for name, options in (
            ("plain", {}),
            ("smooth", {"label_smoothing": 0.5}),
            ("coarse", {"precision": "bfloat16"}),
        )
    )
    # Of an untrained network, all classes are about equally likely: half of the label on all of them.
    assert final(smooth).train_loss != final(plain).train_loss
    assert final(smooth).train_loss == pytest.approx(math.log(10), abs=0.1)
    assert final(coarse).train_loss != final(plain).train_loss
    assert final(coarse).train_loss == pytest.approx(final(plain).train_loss, rel=0.01)
