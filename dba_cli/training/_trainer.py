"""The training loop. SGD, Adam and DBA run through these same lines."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from dba_cli.config import TrainingConfig
from dba_cli.method import NonFiniteError
from dba_cli.training._gradients import GradientRule


@dataclass(frozen=True)
class TensorData:
    """Images (n, 1, height, width) and labels (n,), whole, on the device that trains."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Timeline:
    """How long to train and when to evaluate, in update steps."""

    steps: int
    batch_size: int
    steps_per_epoch: int
    evaluation_period: int

    @classmethod
    def of(cls, n: int, config: TrainingConfig) -> "Timeline":
        """Lay out the training of ``config`` on ``n`` samples; an epoch's last batch may be short."""
        per_epoch = math.ceil(n / config.batch_size)
        return cls(
            config.in_steps(per_epoch), config.batch_size, per_epoch, config.evaluation.in_steps(per_epoch)
        )


@dataclass(frozen=True)
class HistoryRow:
    """The state at one evaluation; ``fractions`` and ``train_loss`` are means since the row before."""

    step: int
    epoch: float
    samples_processed: int
    train_loss: float | None
    test_loss: float
    test_accuracy: float
    test_errors: int
    fractions: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What training left: the history, and where it diverged if it did."""

    history: list[HistoryRow]
    diverged_at_step: int | None
    training_seconds: float
    evaluation_seconds: float


class Observer(Protocol):
    """Watches training; must not touch the model or any random state."""

    def step(self, step: int, loss: float) -> None:
        """After each update: its number from 1 and the mean loss of its batch."""

    def row(self, row: HistoryRow) -> None:
        """After each evaluation."""


@dataclass
class _Since:
    """Running sums since the last evaluation."""

    loss: float = 0.0
    samples: int = 0
    chosen: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: LRScheduler,
    backward: GradientRule,
    train_data: TensorData,
    test_data: TensorData,
    timeline: Timeline,
    order: torch.Generator,
    observer: Observer,
) -> Outcome:
    """Train to the end of the timeline, or until a batch's loss or gradients are not finite.

    The test data is read at each evaluation and decides nothing; only after the last step is a test loss
    that is not finite a divergence, there being no next batch to show it. ``order`` shuffles each epoch.
    """
    history: list[HistoryRow] = []
    since, processed, clock = _Since(), 0, _Clock(train_data.labels.device)

    def evaluate(step: int) -> None:
        with clock.paused():
            loss, errors = _evaluate(model, test_data)
            row = HistoryRow(
                step=step,
                epoch=round(step / timeline.steps_per_epoch, 6),
                samples_processed=processed,
                train_loss=since.loss / since.samples if since.samples else None,
                test_loss=loss,
                test_accuracy=(len(test_data) - errors) / len(test_data),
                test_errors=errors,
                fractions={name: n / since.samples for name, n in since.chosen.items()},
                seconds=clock.running,
            )
            history.append(row)
            observer.row(row)

    def outcome(diverged_at_step: int | None = None) -> Outcome:
        return Outcome(history, diverged_at_step, clock.running, clock.pauses)

    evaluate(0)
    for step, batch in enumerate(_batches(len(train_data), timeline, order), start=1):
        batch = batch.to(train_data.labels.device)
        labels = train_data.labels[batch]
        losses = F.cross_entropy(model(train_data.images[batch]), labels, reduction="none")
        loss = losses.detach().mean().item()
        if not math.isfinite(loss):
            return outcome(diverged_at_step=step)
        optimizer.zero_grad()
        try:
            sizes = backward(losses, labels)
        except NonFiniteError:
            return outcome(diverged_at_step=step)
        optimizer.step()
        scheduler.step()

        processed += len(batch)
        since.samples += len(batch)
        since.loss += loss * len(batch)
        for name, size in (sizes or {}).items():
            since.chosen[name] += size
        observer.step(step, loss)
        if step % timeline.evaluation_period == 0 or step == timeline.steps:
            evaluate(step)
            since = _Since()
    return outcome(None if math.isfinite(history[-1].test_loss) else timeline.steps)


def _batches(n: int, timeline: Timeline, order: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of each step's batch: a new shuffle per epoch, the last batch may be short."""
    left = timeline.steps
    while left > 0:
        shuffled = torch.randperm(n, generator=order)
        epoch = shuffled.split(timeline.batch_size)[:left]  # type: ignore[no-untyped-call]
        yield from epoch
        left -= len(epoch)


@torch.no_grad()
def _evaluate(model: nn.Module, data: TensorData, chunk: int = 2000) -> tuple[float, int]:
    """Return the mean loss and the number of wrong predictions; leave the model in training mode."""
    model.eval()
    loss, errors = 0.0, 0
    for start in range(0, len(data), chunk):
        labels = data.labels[start : start + chunk]
        logits = model(data.images[start : start + chunk])
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        errors += int((logits.argmax(1) != labels).sum())
    model.train()
    return loss / len(data), errors


class _Clock:
    """Seconds of training, with evaluation left out; waits for the device where work is queued."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = self._now()
        self._paused_at: float | None = None
        self.pauses = 0.0

    @property
    def running(self) -> float:
        now = self._now() if self._paused_at is None else self._paused_at
        return now - self._start - self.pauses

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._paused_at = self._now()
        yield
        self.pauses += self._now() - self._paused_at
        self._paused_at = None

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
