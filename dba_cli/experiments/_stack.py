"""Several seeds of one optimizer as one computation, where that was asked for and pays."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache, partial
from itertools import islice
from pathlib import Path

import torch

from dba_cli.data import ImageData
from dba_cli.errors import UserError
from dba_cli.experiments._images import training_samples
from dba_cli.experiments._record import PreparedRun, Trained, csv_row, record_of
from dba_cli.experiments._saving import ctrl_c_between_steps
from dba_cli.experiments._single import initial_model
from dba_cli.experiments._work import Ended, Job, at_hand, ended_elsewhere, observed, settle, work
from dba_cli.records import RunFolder, discard_failure, locked
from dba_cli.training import (
    HistoryRow,
    Observer,
    SeedRun,
    Stream,
    TensorData,
    generator,
    stack_sizes,
    train_stacked,
)

Watch = Callable[[], Observer]
"""Makes the observer of a job that begins."""


def stacks(jobs: Sequence[Job], data: Mapping[int, ImageData]) -> list[list[Job]]:
    """Split ``jobs`` into those to be trained as one computation, most of them alone.

    Together are seeds of one experiment and optimizer, in the numbers that were measured to pay. A run that
    was stopped before goes on alone.
    """
    alike: dict[tuple[Path, str], list[Job]] = {}
    found = []
    for job in jobs:
        if job.device.type != "cpu" or job.planned.folder.checkpoints():
            found.append([job])
        else:
            alike.setdefault((job.planned.folder.path.parent, job.planned.hash), []).append(job)
    for together in alike.values():
        first = together[0]
        config, seed = first.planned.config, first.planned.seed
        model = initial_model(config, data[first.number], seed, first.indices)
        rest = iter(together)
        sizes = stack_sizes(config.optimizers[0], model, config.training, len(together))
        found += [list(islice(rest, size)) for size in sizes]
    return sorted(found, key=lambda stack: stack[0].number)


def work_stack(jobs: Sequence[Job], watches: Sequence[Watch]) -> list[Ended]:
    """Do all ``jobs`` as one computation; what cannot be done so is done job by job, like any other."""
    if len(jobs) == 1:
        return [work(jobs[0], watches[0])]
    settle(jobs[0])
    watches = [cache(watch) for watch in watches]  # a run that is done alone after all has begun once
    ends: dict[int, Ended] = {}
    try:
        with ExitStack() as held:
            free = [
                (job, watch)
                for job, watch in zip(jobs, watches, strict=True)
                if held.enter_context(locked(job.planned.folder.path)) and ended_elsewhere(job) is None
            ]
            if len(free) > 1 and not jobs[0].stop_file.exists():
                _train(free, held, ends)
    except KeyboardInterrupt:
        if not jobs[0].stop_file.exists():
            raise
    except Exception:
        # The fault is one run's, and which one shows when each is done alone.
        pass
    return [
        ends[job.number] if job.number in ends else work(job, watch)
        for job, watch in zip(jobs, watches, strict=True)
    ]


def _train(free: Sequence[tuple[Job, Watch]], held: ExitStack, ends: dict[int, Ended]) -> None:
    """Train, and write the records; ``ends`` tells how far that got.

    ``held`` closes what watches the runs, when the fault that ends them has been told.
    """
    began, hands = time.perf_counter(), [at_hand(job) for job, _ in free]
    prepared = [run for run, _, _ in hands]
    _, test_data, provenance = hands[0]
    first = prepared[0]
    config = first.planned.config
    for run in prepared:
        discard_failure(run.planned.folder)
        run.planned.folder.discard()
    observers = [held.enter_context(observed(job, watch())) for job, watch in free]
    held.push(partial(_tell, observers[0], f"{first.planned.folder.path}: and {len(free) - 1} more seeds"))
    with ctrl_c_between_steps() as check:
        seeds = [
            _seed_run(run, _Watcher(run.planned.folder, observer, check))
            for run, observer in zip(prepared, observers, strict=True)
        ]
        outcomes = train_stacked(
            seeds,
            config.optimizers[0],
            config.training.schedule,
            test_data,
            first.timeline,
            config.training.label_smoothing,
        )
    share = (time.perf_counter() - began) / len(free)
    for (job, _), run, seed, outcome in zip(free, prepared, seeds, outcomes, strict=True):
        trained = Trained(seed.model, seed.train_data, test_data, outcome)
        record = record_of(run, trained, provenance, share, provenance.git_revision, stack=len(free))
        run.planned.folder.write(run.planned.config, [csv_row(row) for row in outcome.history], record)
        ends[job.number] = Ended(job.number, record=record)


def _tell(
    observer: Observer,
    whose: str,
    kind: type[BaseException] | None,
    fault: BaseException | None,
    trace: object,
) -> None:
    if isinstance(fault, Exception):
        line = (
            f"{whose} could not be trained as one ({kind and kind.__name__}: {str(fault)[:200]}); one by one"
        )
        getattr(observer, "notice", print)(line)


def _seed_run(run: PreparedRun, observer: Observer) -> SeedRun:
    config, seed = run.planned.config, run.planned.seed
    model = initial_model(config, run.data, seed, run.indices)
    train_data = training_samples(config, run.data, run.indices, seed, torch.device("cpu"))
    assert isinstance(train_data, TensorData)  # nothing with deformations is stacked
    return SeedRun(model, train_data, generator(seed, Stream.ORDER), observer)


class _Watcher:
    """Writes one run's history as it grows, hears of Ctrl-C, and tells the observer of the run."""

    def __init__(self, folder: RunFolder, observer: Observer, check: Callable[[], None]) -> None:
        self._folder, self._observer, self._check = folder, observer, check
        self._rows: list[dict[str, object]] = []

    def step(self, step: int, loss: float) -> None:
        self._observer.step(step, loss)
        self._check()

    def row(self, row: HistoryRow) -> None:
        self._rows.append(csv_row(row))
        # It is written once more with the record: a full disk need not end the run before.
        with suppress(UserError):
            self._folder.write_history(self._rows)
        self._observer.row(row)
