"""One run, from its plan to its record: draw, network, training, what it leaves."""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dba_cli.config import Config, Draw, OptimizerConfig, to_yaml
from dba_cli.data import ImageData, draw_sha256
from dba_cli.errors import UserError
from dba_cli.experiments._images import (
    Images,
    drawn,
    drawn_images,
    held_out_for_stopping,
    images_as_they_are,
    protocol,
    trusted,
)
from dba_cli.experiments._plan import PlannedRun
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._resume import RunKeeper, ctrl_c_between_steps
from dba_cli.experiments._weights import write_network
from dba_cli.method import coupling
from dba_cli.records import DataRecord, Durations, Evaluation, RunRecord
from dba_cli.training import (
    DeformedImages,
    HeldOut,
    Learning,
    NoisySamples,
    Observer,
    SelectionRecorder,
    Stream,
    TensorData,
    Training,
    TrustedSamples,
    build_model,
    build_scheduler,
    count_parameters,
    generator,
    gradient_rule,
    predict,
)

_FEW_ROWS = 1000


class OneRun(Observer):
    """A run under way, from where it was stopped if it was: its training, and its folder.

    It watches its training: writes the history as it grows, hears of Ctrl-C, and tells the ``observers``.

    Raises:
        UserError: The folder cannot be written.
    """

    _check: Callable[[], None]

    def __init__(
        self,
        run: PlannedRun,
        images: Images,
        provenance: Provenance,
        device: torch.device,
        *observers: Observer,
    ) -> None:
        self._run, self._provenance, self._observers = run, provenance, observers
        file = run.folder.checkpoint_file(run.hash, provenance.computed_on)
        period = run.config.training.checkpoint
        self._keeper = RunKeeper(
            run.folder, file, period, provenance.git_revision, provenance.computed_on, self.notice
        )
        if run.anew:
            run.folder.discard_checkpoints()
        run.folder.discard()
        self._next_write = 0.0
        self._trainee = Trainee(run, images, device)
        self._training = self._keeper.resumed(lambda: self._trainee.training(self))
        for each in observers:
            each.opened(self._training.history)

    def advance(self, steps: int | None = None) -> RunRecord | None:
        """Make ``steps`` more updates, all that are left unless given; return the record when it is over.

        Raises:
            UserError: The record cannot be written; the state of a long run is kept.
            KeyboardInterrupt: Ctrl-C; the state is saved, or the record where the training was over.
        """
        with ctrl_c_between_steps() as self._check:
            return self._recorded() if self._training.advance(steps, self._keeper) else None

    def step(self, step: int, loss: float) -> None:
        """Pass it on, and stop where Ctrl-C was pressed."""
        for each in self._observers:
            each.step(step, loss)
        self._check()

    def evaluated(self, evaluation: Evaluation) -> None:
        """Write the history and pass it on."""
        self._keeper.look()
        began, history = time.monotonic(), self._training.history
        if len(history) <= _FEW_ROWS or began >= self._next_write:
            # It is written once more with the record: a full disk need not end the run before.
            with contextlib.suppress(UserError):
                self._run.folder.write_history(history)
            # All rows are written each time: of many, that may take a tenth of the run, no more.
            self._next_write = began + 10 * (time.monotonic() - began)
        for each in self._observers:
            each.evaluated(evaluation)

    def notice(self, line: str) -> None:
        """Pass it on."""
        for each in self._observers:
            each.notice(line)

    def _recorded(self) -> RunRecord:
        if self._training.diverged_at_step is None:
            self._keeper.save_end(self._training)
        folder, trainee = self._run.folder, self._trainee
        record = self._record()
        if trainee.recorder is not None:
            trainee.recorder.write(folder, predict(trainee.model, trainee.test_data.images))
        if self._run.config.training.save_weights:
            write_network(folder.weights_file, trainee.model, self._run.config, trainee.data)
        record = folder.write(to_yaml(self._run.config), self._training.history, record)
        folder.discard_checkpoints()
        return record

    def _record(self) -> RunRecord:
        run, trainee, training, config = self._run, self._trainee, self._training, self._run.config
        final = None
        if training.diverged_at_step is None:
            figures = {"copies_errors": trainee.copies_errors(), "seconds": training.seconds}
            final = training.kept.model_copy(update=figures)
        return RunRecord(
            status="finished" if training.diverged_at_step is None else "diverged",
            experiment=run.experiment,
            optimizer=run.optimizer,
            optimizer_kind=config.optimizers[0].kind,
            seed=run.seed,
            protocol=protocol(config),
            data=DataRecord(
                dataset=trainee.data.dataset,
                title=trainee.data.title,
                source=trainee.data.provenance,
                sha256=trainee.data.sha256,
                draw=_said(config.data.draw),
                draw_sha256=draw_sha256(trainee.indices),
                labels_sha256=trainee.labels_sha256,
                trusted_sha256=draw_sha256(trainee.trusted) if len(trainee.trusted) else None,
                n_train=len(trainee.indices),
                n_test=len(trainee.test_data),
                evaluated_on=config.data.evaluate_on,
                notice=trainee.data.notice,
            ),
            parameters=count_parameters(trainee.model),
            final=final,
            diverged_at_step=training.diverged_at_step,
            config=config.model_dump(mode="json", exclude={"sweep"}),
            config_hash=run.hash,
            versions=self._provenance.versions,
            device=self._provenance.device,
            git_revision=self._keeper.git_revision,
            durations=Durations(
                training=training.seconds,
                evaluation=training.evaluation_seconds,
                total=self._keeper.seconds,
                finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            ),
        )


class Trainee:
    """What a run trains, and what it trains with and is tested on; nothing of it is on disk."""

    def __init__(self, run: PlannedRun, images: Images, device: torch.device) -> None:
        self._run, self._device = run, device
        self.data = images.of(run.config.data)
        self.test_data = images.evaluation(run.config.data, device, run.seed)
        self.indices = drawn(run.config.data, self.data, run.seed)
        found = drawn_images(run.config.data, self.data, self.indices, device, run.seed)
        self._samples, self._standardize = found
        self.trusted = trusted(run.config.data, self.data, self.indices, run.seed)

    @property
    def wrong(self) -> Tensor | None:
        """Return whose labels are wrong, (n,), where data.noise made any so."""
        if self._run.config.data.noise is None:
            return None
        return self._samples.labels != self.data.train_labels[self.indices].to(self._device)

    @property
    def labels_sha256(self) -> str | None:
        """Return the digest of the labels that are trained on, where they are not those of the data."""
        return None if self._run.config.data.noise is None else draw_sha256(self._samples.labels)

    def training(self, observer: Observer | None = None) -> Training:
        """Return the training at its beginning; network and random streams are made anew in each call."""
        run, config, seed, entry = self._run, self._run.config, self._run.seed, self._run.config.optimizers[0]
        behind = None
        samples, n = self._samples, len(self.indices)
        if len(self.trusted):
            samples += images_as_they_are(config.data, self.data, self.trusted, self._device)
            behind = TrustedSamples(torch.arange(n, len(samples), device=self._device), entry.trusted)
        self.train_data: TensorData | DeformedImages = samples
        if config.training.deformation is not None:
            images, labels = samples.images, samples.labels
            stream = generator(seed, Stream.DEFORMATION)
            self.train_data = DeformedImages(images, labels, config.training.deformation, stream)
        weights = generator(seed, Stream.WEIGHTS)
        model = build_model(
            config.model, self.data.image_shape, self.data.num_classes, weights, self._standardize
        )
        self.model = model.to(self._device)
        self.recorder = SelectionRecorder() if config.training.trace else None
        optimizer = entry.base_optimizer.build(self.model.parameters())
        generators = {
            "selection": generator(seed, Stream.SELECTION),
            "loss": generator(seed, Stream.LOSS),
        }
        loss = config.training.loss_of(entry)
        share = 0.0 if config.data.noise is None else config.data.noise.rate
        remembered = len(samples) if entry.trusted == "alone" else n
        sizes = remembered, self.data.num_classes, self.data.image_shape
        built = loss.build(*sizes, generators["loss"], share)
        learning = Learning(
            optimizer,
            build_scheduler(config.training.schedule, optimizer, run.timeline.steps),
            gradient_rule(entry, self.model, generators["selection"]),
            built.to(self._device),
            precision=getattr(torch, config.training.precision),
            step_budget=config.training.step_budget,
            ema_decay=config.training.ema_decay,
            recorder=self.recorder,
            generators=generators,
        )
        if isinstance(self.train_data, DeformedImages):
            generators["deformation"] = self.train_data.generator
        fed: TensorData | DeformedImages | NoisySamples = self.train_data
        if config.training.input_noise:
            generators["input_noise"] = generator(seed, Stream.INPUT_NOISE)
            fed = NoisySamples(self.train_data, config.training.input_noise, generators["input_noise"])
        order = generator(seed, Stream.ORDER)
        held_out = held_out_for_stopping(config, n, seed)
        stop_on = None
        if held_out is not None:
            held_out = held_out.to(self._device)
            stop_on = HeldOut(held_out, self._samples.images_at(held_out), self._samples.labels[held_out])
        return Training(
            self.model,
            learning,
            fed,
            self.test_data,
            run.timeline,
            order,
            observer,
            stop_on=stop_on,
            trusted=behind,
            wrong=self.wrong,
        )

    def copies_errors(self) -> int | None:
        """Return the errors of the mean probability over deformed copies of each image, itself included."""
        copies = self._run.config.training.evaluation.copies
        if copies == 0 or not isinstance(self.train_data, DeformedImages):
            return None
        stream = generator(self._run.seed, Stream.TEST_COPIES)
        total = predict(self.model, self.test_data.images).softmax(1)
        for _ in range(copies):
            total += predict(self.model, self.train_data.copies_of(self.test_data.images, stream)).softmax(1)
        return int((total.argmax(1) != self.test_data.labels).sum())


def _said(draw: Draw) -> dict[str, Any]:
    """Return a draw as its keys; a list of indices, which the config has whole, by its digest."""
    keys = draw.model_dump(exclude_defaults=True)
    if draw.indices is not None:
        keys["indices"] = draw_sha256(torch.tensor(sorted(draw.indices)))
    return keys


def check_network(config: Config, entry: OptimizerConfig, data: ImageData) -> None:
    """Refuse what only the data and the network can tell, on a network without weights where that can be.

    It raises what the network, DBA or the optimizer raise: a UserError, a ValueError or a TypeError.
    """
    build = partial(build_model, config.model, data.image_shape, data.num_classes)
    try:
        with torch.device("meta"):
            model = build(torch.Generator())
    except UserError:  # a user's network may look at its weights, and another fault shows again
        model = build(torch.Generator())
    config.training.loss_of(entry).build(1, data.num_classes, data.image_shape, torch.Generator())
    if entry.selects and (coupled := _coupled(model, data.image_shape)) is not None:
        raise ValueError(
            f"model {config.model.kind}: {coupled} to select by: replace them by nn.GroupNorm, or keep them"
            " in evaluation mode (a train() of the network's that calls .eval() of theirs)"
        )
    gradient_rule(entry, model, torch.Generator())
    entry.base_optimizer.build([nn.Parameter(torch.empty_like(p, device="cpu")) for p in model.parameters()])


def _coupled(model: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Return what couples the samples of a batch in training, in words; None where nothing does."""
    device = next((parameter.device for parameter in model.parameters()), None)
    with torch.random.fork_rng(devices=[]):
        try:
            return coupling(model(torch.zeros(2, *shape, device=device)), model)
        except Exception:  # a user's network, on a batch that is none: the run shows it
            return None
