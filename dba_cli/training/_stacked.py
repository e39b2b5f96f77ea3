"""Training several seeds of one optimizer as one computation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from dba_cli.config import DBAConfig, OptimizerConfig, ScheduleConfig
from dba_cli.method import SizeLimits, StackedSelector, products_of_each, stacked_gradient
from dba_cli.training._batches import BatchOrder
from dba_cli.training._clock import Clock
from dba_cli.training._optimizers import build_optimizer, build_scheduler
from dba_cli.training._samples import TensorData
from dba_cli.training._stacked_network import ForwardPass, StackedNetwork, prepared
from dba_cli.training._state import HistoryRow, Since
from dba_cli.training._timeline import Timeline
from dba_cli.training._trainer import Observer, Outcome, _evaluate


@dataclass(frozen=True)
class SeedRun:
    """What each of the runs has of its own."""

    model: nn.Module
    train_data: TensorData
    order: torch.Generator
    observer: Observer


def train_stacked(
    runs: Sequence[SeedRun],
    entry: OptimizerConfig,
    schedule: ScheduleConfig,
    test_data: TensorData,
    timeline: Timeline,
    label_smoothing: float = 0.0,
) -> list[Outcome]:
    """Train all ``runs``; each ends as `train` alone would end it, but for float rounding.

    Each network is trained in place, as in `train`. A run that diverges is left as it then is and the others
    go on. The seconds in a run's outcome are its share: those of all runs, divided by their number.

    Raises:
        ValueError: The runs have draws of different sizes.
    """
    n = len(runs[0].train_data)
    if any(len(run.train_data) != n for run in runs):
        raise ValueError("runs that train together need draws of one size")
    network = StackedNetwork([run.model for run in runs])
    optimizer = build_optimizer(entry, network.parameters())
    scheduler = build_scheduler(schedule, optimizer, timeline.steps)
    update = _Update(network, _selector(entry))
    images = [prepared(run.model, run.train_data.images) for run in runs]
    labels = torch.stack([run.train_data.labels for run in runs])
    orders = [BatchOrder(n, timeline.batch_size, run.order, whole=timeline.whole_batches) for run in runs]
    clock = Clock(labels.device)
    histories = [_History(run, test_data, clock, len(runs)) for run in runs]

    going = list(range(len(runs)))
    for history in histories:
        history.evaluate(0)
    for step in range(1, timeline.steps + 1):
        batch = torch.stack([next(order) for order in orders])
        inputs = images[0].new_empty(*batch.shape, images[0].shape[1])
        for own, indices, rows in zip(images, batch, inputs, strict=True):
            torch.index_select(own, 0, indices, out=rows)  # twice as fast as own[indices]
        passed = network.forward(inputs, labels.gather(1, batch), label_smoothing)
        losses = passed.losses.detach().mean(1).tolist()
        sizes, finite = update(passed)
        for place in list(going):
            if not (math.isfinite(losses[place]) and finite[place]):
                histories[place].diverged_at_step = step
                going.remove(place)
        for place in set(range(len(runs))) - set(going):
            runs[place].model.zero_grad()  # Without gradients, the optimizer leaves its network alone.
        if not going:
            break
        optimizer.step()
        scheduler.step()
        for place in going:
            histories[place].step(step, losses[place], batch.shape[1], sizes[place])
        if step % timeline.evaluation_period == 0 or step == timeline.steps:
            for place in going:
                histories[place].evaluate(step)
    return [history.outcome(timeline.steps) for history in histories]


class _Update:
    """Writes the gradients of all networks."""

    def __init__(self, network: StackedNetwork, select: StackedSelector | None) -> None:
        self._network, self._select = network, select

    @torch.no_grad()
    def __call__(self, passed: ForwardPass) -> tuple[list[Mapping[str, int]], list[bool]]:
        """Return for each run the samples used per layer, where it selects, and whether it may go on."""
        runs, n = passed.losses.shape
        if self._select is None:
            for layer, left in enumerate(passed.output_gradients(1 / n)):
                weights = products_of_each(left.mT, passed.inputs[layer].mT)
                self._network.set_gradients(layer, weights, left.sum(1))
            return [{}] * runs, [True] * runs
        lefts = passed.output_gradients(1)
        chosen, finite = self._select(lefts, passed.inputs)
        for layer, left in enumerate(lefts):
            gradients = stacked_gradient(left, passed.inputs[layer], chosen[:, layer])
            self._network.set_gradients(layer, *gradients)
        counts = chosen.count_nonzero(dim=-1).tolist()
        return [dict(zip(self._network.names, count, strict=True)) for count in counts], finite


class _History:
    """One run's rows, as `train` makes them."""

    def __init__(self, run: SeedRun, test_data: TensorData, clock: Clock, runs: int) -> None:
        self._run, self._test_data, self._clock, self._runs = run, test_data, clock, runs
        self._since, self._processed = Since(), 0
        self._rows: list[HistoryRow] = []
        self.diverged_at_step: int | None = None

    def step(self, step: int, loss: float, samples: int, sizes: Mapping[str, int]) -> None:
        self._processed += samples
        self._since.samples += samples
        self._since.loss += loss * samples
        for name, size in sizes.items():
            self._since.chosen[name] += size
        self._run.observer.step(step, loss)

    def evaluate(self, step: int) -> None:
        since = self._since
        with self._clock.evaluation():
            loss, errors = _evaluate(self._run.model, self._test_data)
            row = HistoryRow(
                step=step,
                epoch=round(self._processed / len(self._run.train_data), 6),
                samples_processed=self._processed,
                train_loss=since.loss / since.samples if since.samples else None,
                test_loss=loss,
                test_accuracy=(len(self._test_data) - errors) / len(self._test_data),
                test_errors=errors,
                fractions={name: n / since.samples for name, n in since.chosen.items()},
                seconds=self._clock.running / self._runs,
            )
            self._rows.append(row)
            self._run.observer.row(row)
        self._since = Since()

    def outcome(self, last_step: int) -> Outcome:
        diverged = self.diverged_at_step
        if diverged is None and not math.isfinite(self._rows[-1].test_loss):
            diverged = last_step
        return Outcome(
            self._rows, diverged, self._clock.running / self._runs, self._clock.evaluating / self._runs
        )


def _selector(entry: OptimizerConfig) -> StackedSelector | None:
    if not isinstance(entry, DBAConfig):
        return None
    return StackedSelector(
        metric=entry.metric,
        order=entry.order,
        rule=entry.rule,
        limits=SizeLimits(entry.min_fraction, entry.max_fraction, entry.size),
        scope=entry.scope,
    )
