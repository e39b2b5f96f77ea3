"""The trainer against loops written out by hand, and what must not depend on being watched."""

import copy
import math
from collections.abc import Callable
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli.config import ScheduleConfig, TrainingConfig
from dba_cli.records import Evaluation
from dba_cli.training import Learning, TensorData, Timeline, Training, _clock, build_scheduler

from .lab import (
    CLASSES,
    TEST,
    TRAIN,
    N,
    Watcher,
    assert_same,
    batches,
    dba_rule,
    network,
    order,
    samples,
    sgd,
    timeline,
    trained,
    weights,
)


def evaluated(model: nn.Module, data: TensorData = TEST) -> tuple[float, int]:
    """Mean loss and errors, sample by sample from the definition of cross entropy."""
    loss, errors = 0.0, 0
    with torch.no_grad():
        for image, label in zip(data.images, data.labels.tolist(), strict=True):
            logits = model(image.unsqueeze(0))[0].double().tolist()
            loss += math.log(sum(math.exp(logit) for logit in logits)) - logits[label]
            errors += logits.index(max(logits)) != label
    return loss / len(data), errors


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sgd": sgd,
    "momentum": lambda model: sgd(model, momentum=0.9, weight_decay=0.01),
    "adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [12, 10, 3])  # mid-epoch after two epochs, a whole number, within the first
def test_the_trainer_is_the_loop_that_one_would_write(name: str, steps: int) -> None:
    theirs = network()
    optimizer = OPTIMIZERS[name](theirs)
    losses, states = [], {0: evaluated(theirs)}
    for step, batch in enumerate(batches(steps), start=1):
        optimizer.zero_grad()
        loss = F.cross_entropy(theirs(TRAIN.images[batch]), TRAIN.labels[batch])
        loss.backward()
        optimizer.step()
        losses.append((loss.item(), len(batch)))
        states[step] = evaluated(theirs)

    ours = network()
    watcher = Watcher()
    outcome = trained(ours, OPTIMIZERS[name](ours), lasting=timeline(steps), observer=watcher)

    assert weights(ours) == weights(theirs)  # bit for bit
    assert outcome.diverged_at_step is None
    assert [row.step for row in outcome.history] == sorted({*range(0, steps + 1, 4), steps})
    before = 0
    for row in outcome.history:
        since = losses[before : row.step]
        total = sum(n for _, n in since)
        expected = sum(loss * n for loss, n in since) / total if since else None
        assert row.train_loss == (None if expected is None else pytest.approx(expected, rel=1e-6))
        assert row.samples_processed == sum(n for _, n in losses[: row.step])
        assert row.epoch == pytest.approx(row.samples_processed / N, abs=1e-6)
        assert row.test_loss == pytest.approx(states[row.step][0], rel=1e-5)
        assert row.test_errors == states[row.step][1]
        assert row.test_accuracy == (31 - row.test_errors) / 31
        assert row.fractions == {}
        before = row.step
    assert watcher.rows == outcome.history
    assert watcher.steps == [
        (step, pytest.approx(loss, rel=1e-6)) for step, (loss, _) in enumerate(losses, start=1)
    ]


def test_the_schedule_is_stepped_once_per_update() -> None:
    model, seen = network(), []
    optimizer = sgd(model, lr=0.1)
    optimizer.register_step_pre_hook(lambda used, *_: seen.append(used.param_groups[0]["lr"]))
    schedule = build_scheduler(ScheduleConfig(kind="linear", warmup_steps=2), optimizer, 7)
    Training(model, Learning(optimizer, schedule), TRAIN, TEST, timeline(7), order()).advance()
    assert seen == pytest.approx([0.05, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_dba_with_every_sample_gives_the_figures_of_plain_training(name: str) -> None:
    plain, dba = network(), network()
    expected = trained(plain, OPTIMIZERS[name](plain))
    outcome = trained(dba, OPTIMIZERS[name](dba), backward=dba_rule(dba, rule="all"))
    assert_same(dba, plain, rtol=1e-4, atol=1e-5)
    for row, other in zip(outcome.history, expected.history, strict=True):
        assert row.fractions == ({"1": 1.0, "3": 1.0} if row.step else {})
        assert row.train_loss == (other.train_loss and pytest.approx(other.train_loss, rel=1e-4))
        assert row.test_loss == pytest.approx(other.test_loss, rel=1e-4)
        assert (row.test_errors, row.samples_processed) == (other.test_errors, other.samples_processed)


def test_dba_by_hand() -> None:
    """The largest gradients of each layer, found and averaged sample by sample."""
    theirs = network()
    optimizer = sgd(theirs)
    layers = {"1": [0, 1], "3": [2, 3]}  # positions of weight and bias
    for batch in batches(7):
        losses = F.cross_entropy(theirs(TRAIN.images[batch]), TRAIN.labels[batch], reduction="none")
        rows = [torch.autograd.grad(loss, theirs.parameters(), retain_graph=True) for loss in losses]
        for positions in layers.values():
            norms = torch.stack([sum(row[p].double().square().sum() for p in positions) for row in rows])
            best = norms.topk(math.ceil(0.5 * len(batch))).indices.tolist()
            for p in positions:
                list(theirs.parameters())[p].grad = torch.stack([rows[i][p] for i in best]).mean(0)
        optimizer.step()

    ours = network()
    rule = dba_rule(ours, rule="top_k", order="norm", min_fraction=0.5)
    outcome = trained(ours, backward=rule, lasting=timeline(7))
    assert_same(ours, theirs)
    # 3 of 5 samples in each step but the epoch's last, which has 2 of 3.
    assert [row.fractions for row in outcome.history] == [
        {},
        {"1": 12 / 20, "3": 12 / 20},
        {"1": 8 / 13, "3": 8 / 13},
    ]


def test_fractions_are_means_over_samples_since_the_row_before() -> None:
    told = iter([{"a": 1, "b": 5}, {"a": 2, "b": 5}, {"a": 3, "b": 4}, {"a": 4, "b": 3}, {"a": 3, "b": 1}])

    def rule(losses: Tensor, **given: Tensor) -> Any:
        losses.mean().backward()
        return SimpleNamespace(sizes=next(told))

    rows = trained(network(), backward=rule, lasting=timeline(5, period=2)).history
    assert [row.fractions for row in rows] == [
        {},
        {"a": 3 / 10, "b": 10 / 10},
        {"a": 7 / 10, "b": 7 / 10},
        {"a": 3 / 3, "b": 1 / 3},
    ]


@pytest.mark.parametrize("rule", ["plain", "prefix", "random"])
def test_watching_does_not_change_the_run(rule: str) -> None:
    finals, losses = [], []
    for period in (1, 3, 5, 1000):
        model, watcher = network(), Watcher()
        backward = None if rule == "plain" else dba_rule(model, rule=rule)
        outcome = trained(model, backward=backward, lasting=timeline(12, period), observer=watcher)
        of_the_watch = {"seconds": 0, "train_loss": 0, "fractions": {}}
        finals.append((weights(model), outcome.history[-1].model_copy(update=of_the_watch)))
        losses.append(watcher.steps)
    assert finals[1:] == finals[:1] * 3
    assert losses[1:] == losses[:1] * 3


class Noting(nn.Module):
    """Notes which samples it is shown (an image's pixels are its number) and in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))
        self.shown: list[tuple[str, list[int]]] = []

    def forward(self, x: Tensor) -> Tensor:
        mode = ("train" if self.training else "eval") + ("" if torch.is_grad_enabled() else ", no grad")
        self.shown.append((mode, x[:, 0, 0, 0].int().tolist()))
        return self.inner(x / N)


def numbered(n: int = N) -> TensorData:
    images = torch.arange(float(n)).reshape(n, 1, 1, 1).expand(n, 1, 4, 4)
    return TensorData(images, torch.arange(n) % CLASSES)


def test_every_epoch_shows_every_sample_once_in_a_new_order() -> None:
    model = Noting()
    trained(model, train_data=numbered(), lasting=timeline(12, period=12))
    shown = [indices for mode, indices in model.shown if mode == "train"]
    assert [len(indices) for indices in shown] == [5, 5, 5, 5, 3, 5, 5, 5, 5, 3, 5, 5]
    first, second = list(chain(*shown[:5])), list(chain(*shown[5:10]))
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second
    assert len(set(shown[10] + shown[11])) == 10


def test_the_order_does_not_depend_on_the_model() -> None:
    first, second = Noting(), Noting()
    nn.init.zeros_(second.inner[1].weight)
    for model in (first, second):
        trained(model, train_data=numbered(), lasting=timeline(7))
    trains = [[s for s in model.shown if s[0] == "train"] for model in (first, second)]
    assert trains[0] == trains[1]


def test_evaluation_has_a_mode_of_its_own_and_sees_the_whole_test_set_in_order() -> None:
    model = Noting()
    trained(model, test_data=numbered(2500), lasting=timeline(4, period=3))
    seen = [(mode, indices) for mode, indices in model.shown if mode != "train"]
    assert {mode for mode, _ in seen} == {"eval, no grad"}
    assert list(chain(*(indices for _, indices in seen))) == list(range(2500)) * 3
    assert model.training


def test_a_test_set_of_more_than_one_chunk() -> None:
    data, model = samples(4100, seed=6), network()
    loss, errors = evaluated(model, data)
    row = trained(model, test_data=data, lasting=timeline(1)).history[0]
    assert row.test_loss == pytest.approx(loss, rel=1e-5)
    assert row.test_errors == errors


@pytest.mark.parametrize(
    ("n", "training", "steps", "per_epoch", "period"),
    [
        (600, {"epochs": 500, "batch_size": 100, "evaluation": {"epochs": 25}}, 3000, 6, 150),
        (601, {"epochs": 2, "batch_size": 100}, 14, 7, 7),
        (599, {"steps": 20, "batch_size": 100, "evaluation": {"steps": 3}}, 20, 6, 3),
        (10, {"steps": 5, "batch_size": 10, "evaluation": {"epochs": 2}}, 5, 1, 2),
    ],
)
def test_timelines_by_hand(n: int, training: dict[str, Any], steps: int, per_epoch: int, period: int) -> None:
    config = TrainingConfig.model_validate(training)
    assert Timeline.of(n, config) == Timeline(steps, config.batch_size, per_epoch, period)


class Clock:
    """A clock that only moves when it is told."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_seconds_leave_evaluation_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(_clock, "time", SimpleNamespace(perf_counter=clock.perf_counter))

    class Slow(Noting):
        def forward(self, x: Tensor) -> Tensor:
            clock.now += 1 if self.training else 100
            return super().forward(x)

    class SlowWatcher(Watcher):
        def evaluated(self, row: Evaluation) -> None:
            clock.now += 1000

    outcome = trained(Slow(), lasting=timeline(10, period=4), observer=SlowWatcher())
    assert [(row.step, row.seconds) for row in outcome.history] == [(0, 0), (4, 4), (8, 8), (10, 10)]
    assert outcome.seconds == 10
    assert outcome.evaluation_seconds == 4 * 1100


def first_non_finite_step(lr: float) -> int:
    model = network()
    optimizer = sgd(model, lr)
    for step, batch in enumerate(batches(100), start=1):
        loss = F.cross_entropy(model(TRAIN.images[batch]), TRAIN.labels[batch])
        if not math.isfinite(loss.item()):
            return step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise AssertionError("the learning rate is too small for this test")


@pytest.mark.parametrize("period", [1, 2, 1000])
def test_a_loss_that_is_not_finite_ends_the_run_at_its_step(period: int) -> None:
    lr = 1e20
    expected = first_non_finite_step(lr)
    model, watcher = network(), Watcher()
    outcome = trained(model, sgd(model, lr), lasting=timeline(100, period), observer=watcher)
    assert outcome.diverged_at_step == expected
    assert [step for step, _ in watcher.steps] == list(range(1, expected))
    assert all(math.isfinite(loss) for _, loss in watcher.steps)
    assert [row.step for row in outcome.history] == list(range(0, expected, period))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("steps", [7, 8])  # 8 is a step of the evaluation period
def test_weights_that_the_last_update_spoils_are_noticed(value: float, steps: int) -> None:
    calls = []

    def rule(losses: Tensor, **given: Tensor) -> Any:
        calls.append(len(losses))
        (losses.mean() * (value if len(calls) == steps else 1)).backward()
        return SimpleNamespace(sizes={})

    outcome = trained(network(), backward=rule, lasting=timeline(steps))
    assert outcome.diverged_at_step == steps
    assert outcome.history[-1].step == steps
    assert math.isnan(outcome.history[-1].test_loss)


def test_the_test_set_decides_nothing() -> None:
    """Even one on which the loss is not finite: the weights are those of any other, to the last step."""
    unusable = TensorData(TEST.images * math.nan, TEST.labels)
    model, other = network(), network()
    outcome = trained(model, test_data=unusable)
    assert [row.step for row in outcome.history] == [0, 4, 8, 12]
    trained(other, test_data=samples(3, seed=9))
    assert weights(model) == weights(other)
    assert outcome.diverged_at_step == 12  # a record without final figures is not a finished one


def test_an_exception_in_the_observer_ends_the_run() -> None:
    model, shorter = network(), network()
    with pytest.raises(KeyboardInterrupt):
        trained(model, observer=Watcher(at_step=6))
    trained(shorter, lasting=timeline(6))
    assert weights(model) == weights(shorter)


def test_training_neither_uses_nor_moves_the_global_random_state() -> None:
    model = network()
    other = copy.deepcopy(model)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    trained(model, backward=dba_rule(model, rule="random"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    trained(other, backward=dba_rule(other, rule="random"))
    assert weights(model) == weights(other)
