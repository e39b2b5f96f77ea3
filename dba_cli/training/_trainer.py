"""The training loop. SGD, Adam and DBA run through these same lines."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dba_cli.config import OptimizerConfig
from dba_cli.errors import UserError
from dba_cli.losses import CrossEntropy
from dba_cli.method import DynamicBatch, NonFiniteError, Selection
from dba_cli.records import Evaluation
from dba_cli.training._batches import BatchOrder, HeldOut, TensorData, TrustedSamples
from dba_cli.training._clock import Clock
from dba_cli.training._deformation import DeformedImages, NoisySamples
from dba_cli.training._state import POSITION, Keeper, Position, SelectionRecorder, Since, State
from dba_cli.training._timeline import Timeline


class GradientRule(Protocol):
    """Turns a batch into ``.grad``, and may remember its samples."""

    def backward(
        self,
        losses: Tensor,
        *,
        labels: Tensor,
        indices: Tensor,
        reference: Tensor | None = None,
        beside: bool = False,
    ) -> Selection:
        """Write the gradient; return what each layer used. Losses, classes and indices have shape (n,).

        ``reference``: losses (m,) of trusted samples; ``beside``: the gradient is theirs, too.

        Raises:
            NonFiniteError: There is nothing to select from.
        """

    def state_dict(self) -> State:
        """Return what the next batch depends on."""

    def load_state_dict(self, state: State) -> None:
        """Go on from there."""


class Observer:
    """Watches training; must not touch the model or any random state. This one ignores everything.

    It may raise KeyboardInterrupt, which ends the training with its state saved.
    """

    def opened(self, history: Sequence[Evaluation]) -> None:
        """Before the first update: the evaluations so far, of a run that goes on where it was stopped."""

    def step(self, step: int, loss: float) -> None:
        """After each update: its number from 1 and the mean loss of its batch."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """After each evaluation."""

    def notice(self, line: str) -> None:
        """A line that must be seen, such as a state that could not be saved."""


@dataclass(frozen=True)
class Learning:
    """How a batch becomes an update; the optimizers share everything but ``selection``.

    ``selection`` None is plain training, on the gradient of the mean loss. No step may use more samples than
    ``step_budget``. ``loss`` is one of dba_cli.losses. With ``ema_decay`` an exponential moving average of
    the weights is evaluated and kept. ``generators`` are the random streams that the loss, ``selection`` and
    the training data draw from: part of the state.
    """

    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler
    selection: GradientRule | None = None
    loss: nn.Module = field(default_factory=CrossEntropy)
    precision: torch.dtype = torch.float32
    step_budget: int | None = None
    ema_decay: float | None = None
    recorder: SelectionRecorder | None = None
    generators: Mapping[str, torch.Generator] = field(default_factory=dict)


def gradient_rule(
    entry: OptimizerConfig, model: nn.Module, generator: torch.Generator
) -> GradientRule | None:
    """Return the rule of a config entry, None for plain training on the gradient of the mean loss.

    ``generator`` feeds rules that draw at random.
    """
    if not entry.selects:
        return None
    arguments = {key: value for key, value in entry.arguments.items() if key != "base"}
    return DynamicBatch(model, **arguments, generator=generator)


class Training:
    """One training, from its first step or from where another one was stopped.

    The test data is read at each evaluation and decides nothing; only after the last step is a test loss
    that is not finite a divergence, there being no next batch to show it. ``order`` shuffles each epoch.
    Epochs are counted in samples: one is as many as there are, whatever the batches. With ``stop_on`` those
    samples of the draw are not trained on, and the model ends with the weights of the evaluation that made
    the fewest errors on them. ``trusted`` samples stand in the training data behind those of the draw.
    ``wrong`` (n,) says whose labels are: training is not told, the evaluations are.

    Attributes:
        diverged_at_step: the update that found nothing finite; None where there was none so far.
    """

    diverged_at_step: int | None = None

    def __init__(
        self,
        model: nn.Module,
        learning: Learning,
        train_data: TensorData | DeformedImages | NoisySamples,
        test_data: TensorData,
        timeline: Timeline,
        order: torch.Generator,
        observer: Observer | None = None,
        stop_on: HeldOut | None = None,
        trusted: TrustedSamples | None = None,
        wrong: Tensor | None = None,
    ) -> None:
        self._model, self._learning, self._timeline = model, learning, timeline
        self._train_data, self._test_data, self._observer = train_data, test_data, observer or Observer()
        self._device = train_data.labels.device
        self._stop_on, self._best, self._wrong = stop_on, State(), wrong
        self._average: AveragedModel | None = None
        if learning.ema_decay is not None:
            average = get_ema_multi_avg_fn(learning.ema_decay)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        trained = torch.ones(len(train_data), dtype=torch.bool)
        if stop_on is not None:
            trained[stop_on.indices.cpu()] = False
        self._trusted, self._looked_at = None, 0  # in every step, beside the batch
        if trusted is not None:
            trained[trusted.indices.cpu()] = False
            if trusted.use == "alone":
                trained = ~trained
            elif learning.selection is not None or trusted.use == "beside":
                self._trusted, self._looked_at = trusted, len(trusted.indices)
        self._trained = trained.nonzero().flatten()
        self._batches = BatchOrder(
            len(self._trained), timeline.batch_size, order, whole=timeline.whole_batches
        )
        self._at = Position(step=0, processed=0, since=Since(0.0, 0, {}), history=[])
        self._clock = Clock(self._device)
        self._updating = False
        groups = learning.optimizer.param_groups
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self._lower = learning.precision == torch.bfloat16

    @property
    def step(self) -> int:
        """Return the number of updates made."""
        return self._at.step

    @property
    def history(self) -> list[Evaluation]:
        """Return the evaluations so far."""
        return self._at.history

    @property
    def kept(self) -> Evaluation:
        """Return the last evaluation, with the figures of the weights that are kept."""
        last = self.history[-1]
        if self._stop_on is None:
            return last
        names = "test_loss", "test_accuracy", "test_errors", "stopping_errors"
        best = min(self.history, key=lambda row: row.stopping_errors or 0)  # the earliest of equals
        return last.model_copy(update={name: getattr(best, name) for name in names})

    @property
    def seconds(self) -> float:
        """Return the seconds of training so far, without evaluations and saved states."""
        return self._clock.running

    @property
    def evaluation_seconds(self) -> float:
        """Return the seconds of the evaluations so far."""
        return self._clock.evaluating

    def advance(self, steps: int | None = None, keeper: Keeper | None = None) -> bool:
        """Make ``steps`` more updates, all that are left unless given; return whether training is over.

        It is, at the end of the timeline, or where a batch's loss or gradients are not finite. Evaluations
        that are due are made before and after the updates. ``keeper`` saves the state between two updates,
        when it is due and at a KeyboardInterrupt.

        Raises:
            UserError: A step would use more samples than the step budget.
        """
        at, last = self._at, self._timeline.steps
        period = self._timeline.evaluation_period
        pause = None if steps is None else at.step + steps
        self._clock.start()
        try:
            while True:
                evaluated = bool(at.history) and at.history[-1].step == at.step
                if (at.step % period == 0 or at.step == last) and not evaluated:
                    self._evaluate()
                if keeper is not None and keeper.due(at.step):
                    self._save(keeper)
                if at.step == last and not math.isfinite(at.history[-1].test_loss):
                    self.diverged_at_step = last
                if at.step == last:
                    self._model.load_state_dict(self._best or self._evaluated.state_dict())
                if at.step in (last, pause):
                    return at.step == last
                if not self._update():
                    self.diverged_at_step = at.step + 1
                    return True
        except KeyboardInterrupt:
            # In the middle of an update there is no state to go on from.
            if keeper is not None and not self._updating:
                self._save(keeper)
            raise
        finally:
            self._clock.stop()

    def state_dict(self) -> State:
        """Return the whole state; it refers to what the next update changes."""
        learning = self._learning
        return {
            "model": self._model.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "optimizer": learning.optimizer.state_dict(),
            "scheduler": learning.scheduler.state_dict(),
            "loss": learning.loss.state_dict(),
            "best": self._best,
            "batches": self._batches.state_dict(),
            "generators": {name: each.get_state() for name, each in learning.generators.items()},
            "selection": None if learning.selection is None else learning.selection.state_dict(),
            "recorder": None if learning.recorder is None else learning.recorder.state_dict(),
            "position": POSITION.dump_python(self._at),
            "seconds": [self._clock.running, self._clock.evaluating],
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from the state of a training of the same config; where this raises, all is lost."""
        learning = self._learning
        self._model.load_state_dict(state["model"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        learning.optimizer.load_state_dict(state["optimizer"])
        learning.scheduler.load_state_dict(state["scheduler"])
        learning.loss.load_state_dict(state["loss"])
        self._best = state["best"]
        self._batches.load_state_dict(state["batches"])
        for name, each in learning.generators.items():
            each.set_state(state["generators"][name])
        if learning.selection is not None:
            learning.selection.load_state_dict(state["selection"])
        if learning.recorder is not None:
            learning.recorder.load_state_dict(state["recorder"])
        self._at = POSITION.validate_python(state["position"])
        if not 0 <= self._at.step <= self._timeline.steps or self._at.processed < 0:
            raise ValueError(f"step {self._at.step} of {self._timeline.steps}")
        if not all(0 <= seconds < math.inf for seconds in state["seconds"]):
            raise ValueError("seconds that no training takes")
        self._clock = Clock(self._device, *state["seconds"])

    def _update(self) -> bool:
        """Make one update; return False, with the weights as they were, where nothing finite came out."""
        at, learning = self._at, self._learning
        self._updating = True
        batch = next(self._batches)
        if len(self._trained) < len(self._train_data):
            batch = self._trained[batch]
        batch = batch.to(self._device)
        labels = self._train_data.labels.index_select(0, batch)
        with self._precision():  # of the networks that a loss may have, too
            losses = learning.loss(self._logits, self._train_data.images_at(batch), labels, batch)
            known = self._trusted_losses()
        both = losses if known is None or learning.selection is not None else torch.cat([losses, known])
        mean = both.mean()
        loss = mean.item()
        if not math.isfinite(loss):
            return False
        for parameter in self._parameters:  # optimizer.zero_grad, at a tenth of its price
            parameter.grad = None
        try:
            if learning.selection is None:
                selection, used = None, {"": len(batch)}
                mean.backward()
            else:
                beside = self._trusted is not None and self._trusted.use == "beside"
                selection = learning.selection.backward(
                    losses, labels=labels, indices=batch, reference=known, beside=beside
                )
                used = selection.sizes
        except NonFiniteError:
            return False
        if learning.step_budget is not None and max(used.values()) > learning.step_budget:
            self._refuse(used, learning.step_budget)
        learning.optimizer.step()
        learning.scheduler.step()
        if self._average is not None:
            self._average.update_parameters(self._model)
        if learning.recorder is not None:
            learning.recorder.add(batch, selection)

        at.step += 1
        at.processed += len(batch) + self._looked_at
        at.since.samples += len(batch)
        at.since.loss += loss * len(batch)
        if selection is not None:
            for name, size in used.items():
                at.since.chosen[name] = at.since.chosen.get(name, 0) + size
            if self._wrong is not None:
                at.since.count(selection.weights, self._wrong.index_select(0, batch))
        self._updating = False
        self._observer.step(at.step, loss)
        return True

    def _trusted_losses(self) -> Tensor | None:
        """Return the losses (m,) of the trusted samples, where this training looks at them."""
        if self._trusted is None:
            return None
        labels = self._train_data.labels.index_select(0, self._trusted.indices)
        logits = self._logits(self._train_data.images_at(self._trusted.indices))
        return F.cross_entropy(logits, labels, reduction="none")

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self._model(images)
        return logits.float() if self._lower else logits

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self._device.type, torch.bfloat16) if self._lower else nullcontext()

    def _refuse(self, used: Mapping[str, int], budget: int) -> None:
        layer, most = max(used.items(), key=lambda item: item[1])
        where = f" in layer {layer!r}" if layer else ""
        raise UserError(
            f"step {self._at.step + 1} would use {most} images{where}, above training.step_budget {budget}; "
            "the selection rule does not keep to its limits: choose another one, or a smaller batch"
        )

    @property
    def _evaluated(self) -> nn.Module:
        return self._model if self._average is None else self._average.module

    def _evaluate(self) -> None:
        at, since = self._at, self._at.since
        with self._clock.evaluation():
            row = Evaluation(
                step=at.step,
                epoch=round((at.processed - at.step * self._looked_at) / len(self._trained), 6),
                samples_processed=at.processed,
                train_loss=since.loss / since.samples if since.samples else None,
                fractions={name: n / since.samples for name, n in since.chosen.items()},
                drop_precision={
                    name: since.wrong_left_out[name] / n for name, n in since.left_out.items() if n
                },
                drop_recall={
                    name: n / since.wrong for name, n in since.wrong_left_out.items() if since.wrong
                },
                seconds=self._clock.running,
                **_figures(self._evaluated, self._test_data),
                stopping_errors=self._stopping_errors(),
            )
            at.history.append(row)
            at.since = Since(0.0, 0, {})
            self._observer.evaluated(row)

    def _stopping_errors(self) -> int | None:
        """Return the errors on what is held out for early stopping; keep the weights if there are fewer."""
        if self._stop_on is None:
            return None
        predicted = predict(self._evaluated, self._stop_on.images).argmax(1)
        errors = int((predicted != self._stop_on.labels).sum())
        if all(row.stopping_errors is not None and errors < row.stopping_errors for row in self.history):
            self._best = {name: value.clone() for name, value in self._evaluated.state_dict().items()}
        return errors

    def _save(self, keeper: Keeper) -> None:
        with self._clock.paused():
            keeper.save(self.state_dict())


def _figures(model: nn.Module, data: TensorData) -> dict[str, Any]:
    """Return the figures of the network as it is, by their names; leave it in training mode."""
    logits = predict(model, data.images)
    errors = int((logits.argmax(1) != data.labels).sum())
    return {
        "test_loss": F.cross_entropy(logits, data.labels, reduction="sum").item() / len(data),
        "test_accuracy": (len(data) - errors) / len(data),
        "test_errors": errors,
    }


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, chunk: int = 2000) -> Tensor:
    """Return the logits (n, classes) of ``images``; leave the model in training mode."""
    model.eval()
    logits = torch.cat([model(part) for part in images.split(chunk)])  # type: ignore[no-untyped-call]
    model.train()
    return logits
