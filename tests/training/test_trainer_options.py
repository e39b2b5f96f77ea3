"""Label smoothing, mixed precision, samples that differ each time, and the recorder."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli.config import Deformation, TrainingConfig
from dba_cli.errors import UserError
from dba_cli.losses import CrossEntropy
from dba_cli.method import NonFiniteError
from dba_cli.training import DeformedImages, NoisySamples, TensorData, Timeline, TrustedSamples

from .lab import (
    BATCH,
    CLASSES,
    TEST,
    TRAIN,
    N,
    assert_same,
    batches,
    dba_rule,
    network,
    sgd,
    timeline,
    trained,
)

STEPS = 12


def by_hand(model: nn.Module, loss_of: Any) -> list[float]:
    optimizer = sgd(model)
    losses = []
    for batch in batches(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, TRAIN.images[batch], TRAIN.labels[batch])
        loss.backward()
        optimizer.step()
        losses.append((loss.item(), len(batch)))
    last = losses[8:]  # since the evaluation before the last
    return [sum(loss * n for loss, n in last) / sum(n for _, n in last)]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_label_smoothing_by_hand(smoothing: float) -> None:
    """A share of the target is spread evenly over all classes, the true one among them."""

    def loss_of(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        total = torch.zeros(())
        for logits, label in zip(model(images), labels.tolist(), strict=True):
            target = [smoothing / CLASSES + (1 - smoothing) * (k == label) for k in range(CLASSES)]
            log_sum = logits.exp().sum().log()
            total = total + sum(p * (log_sum - logits[k]) for k, p in enumerate(target))
        return total / len(labels)

    ours, theirs = network(), network()
    outcome = trained(ours, loss=CrossEntropy(smoothing))
    expected = by_hand(theirs, loss_of)
    assert_same(ours, theirs, rtol=1e-4, atol=1e-5)
    last = outcome.history[-1]
    assert [last.train_loss] == pytest.approx(expected, rel=1e-4)
    # Evaluation is of the labels as they are.
    assert last.test_loss == pytest.approx(F.cross_entropy(ours(TEST.images), TEST.labels).item(), rel=1e-5)


def test_averaged_weights_by_hand() -> None:
    """The first update's weights begin the average; it is what is evaluated and kept, and steers nothing."""
    plain, weights = network(), list[list[Tensor]]()
    optimizer = sgd(plain)
    for batch in batches(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(plain(TRAIN.images[batch]), TRAIN.labels[batch]).backward()
        optimizer.step()
        weights.append([parameter.detach().clone() for parameter in plain.parameters()])
    model = network()
    outcome = trained(model, ema_decay=0.75)
    for place, parameter in enumerate(model.parameters()):
        expected = 0.75**11 * weights[0][place]
        for step in range(1, STEPS):
            expected = expected + 0.25 * 0.75 ** (STEPS - 1 - step) * weights[step][place]
        torch.testing.assert_close(parameter.detach(), expected)
    last = F.cross_entropy(model(TEST.images), TEST.labels).item()
    assert outcome.history[-1].test_loss == pytest.approx(last, rel=1e-5)
    assert outcome.history[-1].train_loss == trained(network()).history[-1].train_loss


class Typed(nn.Module):
    """Notes in what precision it computes, in training and in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()
        self.seen: dict[bool, set[torch.dtype]] = {True: set(), False: set()}

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        self.seen[self.training].add(out.dtype)
        return out


def test_bfloat16_is_of_the_training_products_alone() -> None:
    losses_in, model = set(), Typed()

    def backward(losses: Tensor, **given: Tensor) -> Any:
        losses_in.add(losses.dtype)
        losses.mean().backward()
        losses_in.update(p.grad.dtype for p in model.parameters() if p.grad is not None)
        return SimpleNamespace(sizes={})

    trained(model, backward=backward, precision=torch.bfloat16)
    assert model.seen == {True: {torch.bfloat16}, False: {torch.float32}}
    assert losses_in == {torch.float32}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not torch.is_autocast_enabled("cpu")


def test_bfloat16_is_the_loop_that_one_would_write() -> None:
    def loss_of(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(images)
        return F.cross_entropy(logits.float(), labels)

    ours, theirs, exact = network(), network(), network()
    trained(ours, precision=torch.bfloat16)
    by_hand(theirs, loss_of)
    trained(exact)
    assert_same(ours, theirs, rtol=0, atol=0)
    assert_same(ours, exact, rtol=0.05, atol=0.02)
    with pytest.raises(AssertionError):
        assert_same(ours, exact)


def test_a_double_network_trains_in_double() -> None:
    losses_in = set()

    def backward(losses: Tensor, **given: Tensor) -> Any:
        losses_in.add(losses.dtype)
        losses.mean().backward()
        return SimpleNamespace(sizes={})

    data, test = (TensorData(each.images.double(), each.labels) for each in (TRAIN, TEST))
    trained(network().double(), backward=backward, train_data=data, test_data=test)
    assert losses_in == {torch.float64}


def test_dba_selects_in_bfloat16_too() -> None:
    ours, theirs = network(), network()
    everything = trained(ours, backward=dba_rule(ours, rule="all"), precision=torch.bfloat16)
    plain = trained(theirs, precision=torch.bfloat16)
    assert_same(ours, theirs, rtol=0.05, atol=0.02)
    assert everything.history[-1].fractions == {"1": 1.0, "3": 1.0}
    assert everything.history[-1].train_loss == pytest.approx(plain.history[-1].train_loss, rel=0.05)


@dataclass
class Changing:
    """Images that are told apart by how often they were asked for."""

    labels: Tensor = field(default_factory=lambda: TRAIN.labels)
    asked: list[list[int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    def images_at(self, indices: Tensor) -> Tensor:
        self.asked.append(indices.tolist())
        return TRAIN.images[indices] + len(self.asked)


def test_images_are_asked_for_once_a_step_and_not_for_evaluation() -> None:
    data, shown = Changing(), []
    model = network()
    model.register_forward_pre_hook(
        lambda module, inputs: shown.append(inputs[0].clone()) if module.training else None
    )
    trained(model, train_data=data)
    assert data.asked == [batch.tolist() for batch in batches(STEPS)]
    for time, (indices, images) in enumerate(zip(data.asked, shown, strict=True), start=1):
        assert images.equal(TRAIN.images[indices] + time)


@pytest.mark.parametrize("batch_size", [5, 50])
def test_batches_of_deformed_copies_are_whole_and_may_exceed_the_draw(batch_size: int) -> None:
    config = TrainingConfig(steps=STEPS, batch_size=batch_size, deformation=Deformation())
    data = Changing()
    outcome = trained(network(), train_data=data, lasting=Timeline.of(N, config))
    assert {len(batch) for batch in data.asked} == {batch_size}
    last = outcome.history[-1]
    assert last.samples_processed == STEPS * batch_size
    assert last.epoch == pytest.approx(STEPS * batch_size / N, abs=1e-6)


def test_deformations_of_size_zero_are_the_images_themselves() -> None:
    ours, theirs = network(), network()
    unchanged = DeformedImages(TRAIN.images, TRAIN.labels, Deformation(), torch.Generator())
    trained(ours, train_data=unchanged)
    trained(theirs)
    assert_same(ours, theirs, rtol=1e-4, atol=1e-5)


def test_noise_is_added_to_the_inputs_of_every_step_and_of_no_evaluation() -> None:
    ours, theirs, shown = network(), network(), []
    ours.register_forward_pre_hook(lambda module, inputs: shown.append((module.training, inputs[0].clone())))
    noisy = NoisySamples(TRAIN, 0.5, torch.Generator().manual_seed(6))
    trained(ours, train_data=noisy)
    stream, asked = torch.Generator().manual_seed(6), batches(STEPS)
    steps = [inputs for training, inputs in shown if training]
    for batch, inputs in zip(asked, steps, strict=True):
        expected = TRAIN.images[batch] + 0.5 * torch.randn(len(batch), 1, 4, 4, generator=stream)
        torch.testing.assert_close(inputs, expected)
    assert all(inputs.equal(TEST.images) for training, inputs in shown if not training)
    trained(theirs, train_data=NoisySamples(TRAIN, 0.0, torch.Generator()))
    plain = network()
    trained(plain)
    assert_same(plain, theirs)


@dataclass
class Recorder:
    notes: list[tuple[list[int], Any]] = field(default_factory=list)

    def add(self, batch: Tensor, selection: Any) -> None:
        self.notes.append((batch.tolist(), selection))


@pytest.mark.parametrize("rule", ["plain", "prefix"])
def test_the_recorder_is_told_every_step_and_changes_nothing(rule: str) -> None:
    watched, alone, recorder = network(), network(), Recorder()

    def backward(model: nn.Module) -> Any:
        return None if rule == "plain" else dba_rule(model)

    trained(watched, backward=backward(watched), recorder=recorder)
    outcome = trained(alone, backward=backward(alone))
    assert_same(watched, alone, rtol=0, atol=0)
    assert [batch for batch, _ in recorder.notes] == [batch.tolist() for batch in batches(STEPS)]
    if rule == "plain":
        assert {selection for _, selection in recorder.notes} == {None}
        return
    since_row = recorder.notes[8:]
    for layer, share in outcome.history[-1].fractions.items():
        kept = sum(int((selection.weights[layer] > 0).sum()) for _, selection in since_row)
        assert share == pytest.approx(kept / sum(len(batch) for batch, _ in since_row))


@pytest.mark.parametrize(
    ("use", "rule"),
    [
        *(("reference", rule) for rule in ("plain", "all", "agreement")),
        *(("beside", rule) for rule in ("plain", "all", "agreement")),
        *(("alone", rule) for rule in ("plain", "all")),
    ],
)
def test_trusted_samples_by_hand(use: Any, rule: str) -> None:
    """Those of the last places are compared with, trained on beside each batch, or alone."""
    ours, theirs, known = network(), network(), torch.arange(N - 6, N)
    trusted = TrustedSamples(known, use)
    backward = None if rule == "plain" else dba_rule(ours, rule=rule, min_fraction=0)
    outcome = trained(ours, backward=backward, trusted=trusted, lasting=timeline(3, 3))
    optimizer, selecting = (
        sgd(theirs),
        None if rule == "plain" else dba_rule(theirs, rule=rule, min_fraction=0),
    )
    order_of = torch.Generator().manual_seed(4)
    pool = known if use == "alone" else torch.arange(N - 6)
    shuffled = torch.cat([pool[torch.randperm(len(pool), generator=order_of)] for _ in range(3)])
    starts = [0, BATCH, 6] if use == "alone" else [0, BATCH, 2 * BATCH]  # no batch crosses an epoch's end
    ends = [BATCH, 6, 6 + BATCH] if use == "alone" else [BATCH, 2 * BATCH, 3 * BATCH]
    for start, end in zip(starts, ends, strict=True):
        optimizer.zero_grad()
        batch = shuffled[start:end]
        losses, mine = (
            F.cross_entropy(theirs(TRAIN.images[which]), TRAIN.labels[which], reduction="none")
            for which in (batch, known)
        )
        if selecting is not None:
            keys = {} if use == "alone" else {"reference": mine, "beside": use == "beside"}
            selecting.backward(losses, labels=TRAIN.labels[batch], indices=batch, **keys)
        else:
            (torch.cat([losses, mine]) if use == "beside" else losses).mean().backward()
        optimizer.step()
    assert_same(ours, theirs)
    looked_at = 6 if use == "beside" or (use == "reference" and rule != "plain") else 0
    assert outcome.history[-1].samples_processed == sum(ends) - sum(starts) + 3 * looked_at


def test_what_is_left_out_is_held_against_whose_labels_are_wrong() -> None:
    model, recorder, wrong = network(), Recorder(), torch.arange(N) % 3 == 0
    rule = dba_rule(model, rule="top_k", size=2)
    outcome = trained(model, backward=rule, recorder=recorder, wrong=wrong)
    for layer in ("1", "3"):
        out = [
            wrong[torch.tensor(batch)][selection.weights[layer] == 0]
            for batch, selection in recorder.notes[8:]
        ]
        all_wrong = sum(int(wrong[torch.tensor(batch)].sum()) for batch, _ in recorder.notes[8:])
        left_out, last = torch.cat(out), outcome.history[-1]
        assert last.drop_precision[layer] == pytest.approx(left_out.float().mean().item())
        assert last.drop_recall[layer] == pytest.approx(int(left_out.sum()) / all_wrong)
    assert outcome.history[0].drop_recall == {}


def test_gradients_that_are_not_finite_end_the_run_before_the_update_which_is_not_recorded() -> None:
    recorder, calls = Recorder(), []

    def backward(losses: Tensor, **given: Tensor) -> Any:
        calls.append(len(losses))
        if len(calls) == 7:
            raise NonFiniteError
        losses.mean().backward()
        return SimpleNamespace(sizes={})

    model, shorter = network(), network()
    outcome = trained(model, backward=backward, recorder=recorder)
    assert (outcome.diverged_at_step, len(recorder.notes)) == (7, 6)
    assert [row.step for row in outcome.history] == [0, 4]
    trained(shorter, lasting=timeline(6))
    assert_same(model, shorter, rtol=0, atol=0)


@pytest.mark.parametrize("backward", ["plain", "all", "gradmatch-like"])
def test_a_step_above_the_budget_stops_the_run_before_the_update(backward: str) -> None:
    """Whatever a rule says of its limits: the sizes that it really used are counted."""
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]

    def selects_too_much(losses: Tensor, **given: Tensor) -> Any:
        losses.mean().backward()
        return SimpleNamespace(sizes={"1": 2, "3": 3})

    rule = {"plain": None, "all": dba_rule(model, rule="all", size=2), "gradmatch-like": selects_too_much}
    with pytest.raises(UserError, match=r"step 1 would use . images.*above training\.step_budget 2"):
        trained(model, backward=rule[backward], step_budget=2)
    assert all(map(torch.equal, model.parameters(), before))


@pytest.mark.parametrize("stratified", [False, True])  # of three classes, two may be kept
def test_a_step_within_the_budget_is_made(stratified: bool) -> None:
    rule = dba_rule(model := network(), rule="top_k", size=2, stratified=stratified)
    assert trained(model, backward=rule, step_budget=2).history[-1].step == STEPS
