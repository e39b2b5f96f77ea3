"""The training loop. SGD, Adam and DBA run through these same lines."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from dba_cli.config import TrainingConfig
from dba_cli.method import NonFiniteError, Selection
from dba_cli.training._batches import BatchOrder
from dba_cli.training._gradients import GradientRule


@dataclass(frozen=True)
class TensorData:
    """Images (n, 1, height, width) and labels (n,), whole, on the device that trains."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def images_at(self, indices: Tensor) -> Tensor:
        """Return the images at ``indices`` (m,), shape (m, 1, height, width)."""
        return self.images[indices]


class TrainingSamples(Protocol):
    """What a step trains on: labels (n,), and images that may differ each time they are asked for."""

    @property
    def labels(self) -> Tensor:
        """Classes (n,), on the device that trains."""

    def __len__(self) -> int:
        """Return the number of labelled samples."""

    def images_at(self, indices: Tensor) -> Tensor:
        """Return images (m, 1, height, width) for ``indices`` (m,)."""


@dataclass(frozen=True)
class Timeline:
    """How long to train and when to evaluate, in update steps.

    With ``whole_batches`` every batch is full, even where it is larger than an epoch.
    """

    steps: int
    batch_size: int
    steps_per_epoch: int
    evaluation_period: int
    whole_batches: bool = False

    @classmethod
    def of(cls, n: int, config: TrainingConfig, batch_size: int | None = None) -> "Timeline":
        """Lay out the training of ``config`` on ``n`` samples, in batches of its size unless given."""
        batch_size = batch_size or config.batch_size
        per_epoch = math.ceil(n / batch_size)
        period = config.evaluation.in_steps(per_epoch)
        return cls(config.in_steps(per_epoch), batch_size, per_epoch, period, config.deformation is not None)


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


class SelectionRecorder(Protocol):
    """Notes what was selected; must not touch the model or any random state."""

    def add(self, batch: Tensor, selection: Selection | None) -> None:
        """After each step: the candidates' indices (n,) and each layer's choice, None if all were used."""


@dataclass(frozen=True)
class Learning:
    """How a batch becomes an update; the optimizers share everything but ``backward``."""

    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler
    backward: GradientRule
    label_smoothing: float = 0.0
    precision: torch.dtype = torch.float32
    recorder: SelectionRecorder | None = None


@dataclass
class _Since:
    """Running sums since the last evaluation."""

    loss: float = 0.0
    samples: int = 0
    chosen: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def train(
    model: nn.Module,
    learning: Learning,
    train_data: TrainingSamples,
    test_data: TensorData,
    timeline: Timeline,
    order: torch.Generator,
    observer: Observer,
) -> Outcome:
    """Train to the end of the timeline, or until a batch's loss or gradients are not finite.

    The test data is read at each evaluation and decides nothing; only after the last step is a test loss
    that is not finite a divergence, there being no next batch to show it. ``order`` shuffles each epoch.
    Epochs are counted in samples: one is as many as there are, whatever the batches.
    """
    history: list[HistoryRow] = []
    device = train_data.labels.device
    since, processed, clock = _Since(), 0, _Clock(device)
    lower = learning.precision == torch.bfloat16
    precision = torch.autocast(device.type, torch.bfloat16) if lower else nullcontext()

    def evaluate(step: int) -> None:
        with clock.paused():
            loss, errors = _evaluate(model, test_data)
            row = HistoryRow(
                step=step,
                epoch=round(processed / len(train_data), 6),
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
    batches = BatchOrder(len(train_data), timeline.batch_size, order, whole=timeline.whole_batches)
    for step in range(1, timeline.steps + 1):
        batch = next(batches).to(device)
        labels = train_data.labels[batch]
        with precision:
            logits = model(train_data.images_at(batch))
        if lower:
            logits = logits.float()
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=learning.label_smoothing)
        loss = losses.detach().mean().item()
        if not math.isfinite(loss):
            return outcome(diverged_at_step=step)
        learning.optimizer.zero_grad()
        try:
            selection = learning.backward(losses, labels)
        except NonFiniteError:
            return outcome(diverged_at_step=step)
        learning.optimizer.step()
        learning.scheduler.step()
        if learning.recorder is not None:
            learning.recorder.add(batch, selection)

        processed += len(batch)
        since.samples += len(batch)
        since.loss += loss * len(batch)
        for name, size in (selection.sizes if selection is not None else {}).items():
            since.chosen[name] += size
        observer.step(step, loss)
        if step % timeline.evaluation_period == 0 or step == timeline.steps:
            evaluate(step)
            since = _Since()
    return outcome(None if math.isfinite(history[-1].test_loss) else timeline.steps)


def _evaluate(model: nn.Module, data: TensorData) -> tuple[float, int]:
    """Return the mean loss and the number of wrong predictions; leave the model in training mode."""
    logits = predict(model, data.images)
    loss = F.cross_entropy(logits, data.labels, reduction="sum").item()
    return loss / len(data), int((logits.argmax(1) != data.labels).sum())


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, chunk: int = 2000) -> Tensor:
    """Return the logits (n, classes) of ``images``; leave the model in training mode."""
    model.eval()
    logits = torch.cat([model(part) for part in images.split(chunk)])  # type: ignore[no-untyped-call]
    model.train()
    return logits


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
