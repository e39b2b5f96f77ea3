"""One run, from its config to its record: draw, network, training, what it left."""

import contextlib
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dba_cli.config import Config, to_yaml
from dba_cli.data import DeformedImages, ImageData
from dba_cli.errors import UserError
from dba_cli.experiments._images import drawn, standardizer, training_samples
from dba_cli.experiments._plan import PlannedRun
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._record import PreparedRun, Trained, record_of
from dba_cli.experiments._saving import RunKeeper, ctrl_c_between_steps
from dba_cli.method import Selection
from dba_cli.records import Evaluation, RunFolder, RunRecord, TraceWriter, write_predictions
from dba_cli.training import (
    Learning,
    Observer,
    State,
    Stream,
    TensorData,
    Training,
    build_model,
    build_optimizer,
    build_scheduler,
    generator,
    gradient_rule,
    predict,
)

_FEW_ROWS = 1000


def do_run(
    prepared: PreparedRun, test_data: TensorData, provenance: Provenance, observer: Observer
) -> RunRecord:
    """Train on the device of ``test_data``, from where the run was stopped if it was, and write the record.

    Raises:
        UserError: The record cannot be written; the state of a long run is kept.
        KeyboardInterrupt: Ctrl-C; the state is saved.
    """
    run = prepared.planned
    keeper = RunKeeper(run, provenance, observer.notice)
    if run.anew:
        keeper.discard()
    run.folder.discard()
    trainee = _Trainee(prepared, test_data)
    with ctrl_c_between_steps() as check:
        watcher = _Watcher(run.folder, keeper, observer, check)
        training = keeper.resumed(lambda: trainee.training(watcher))
        watcher.history = list(training.history)
        outcome = training.advance(keeper=keeper)
        assert outcome is not None
    if outcome.diverged_at_step is None:
        keeper.save_end(training)
    model, train_data, recorder = trainee.model, trainee.train_data, trainee.recorder
    trained = Trained(model, train_data, test_data, outcome)
    record = record_of(prepared, trained, provenance, keeper.seconds, keeper.git_revision)
    if recorder is not None:
        recorder.write(run.folder, predict(model, test_data.images))
    run.folder.write(to_yaml(run.config), outcome.history, record)
    keeper.discard()
    return record


def check_runs(runs: Sequence[PlannedRun], data: ImageData) -> None:
    """Refuse what only the data and the network can tell: before any run starts, not hours into it."""
    config, seed = runs[0].config, runs[0].seed
    name = config.experiment.name
    indices = drawn(config.data, data, seed)
    n = len(indices)
    for entry in {run.optimizer: run.config.optimizers[0] for run in runs}.values():
        batch_size = entry.batch_size or config.training.batch_size
        if batch_size > n and config.training.deformation is None:
            key = "training.batch_size" if entry.batch_size is None else f"{entry.name}.batch_size"
            raise UserError(
                f"{name}: {key} {batch_size} is more than the {n} images of the draw; give at most {n}"
            )
        budget = config.training.step_budget
        if budget is not None and budget < data.num_classes and entry.arguments.get("stratified"):
            raise UserError(
                f"{name}: optimizer {entry.name}: a stratified choice keeps an image of each of the "
                f"{data.num_classes} classes, above training.step_budget {budget}"
            )
        try:
            model = initial_model(config, data, seed, indices)
            gradient_rule(entry, model, generator(seed, Stream.SELECTION))
            build_optimizer(entry, model.parameters())
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}: optimizer {entry.name}: {error}") from None


class _Trainee:
    """What a run trains and trains with, as they are at its beginning."""

    def __init__(self, prepared: PreparedRun, test_data: TensorData) -> None:
        self._prepared, self._test_data = prepared, test_data

    def training(self, observer: Observer) -> Training:
        """Return the training at its beginning; everything is made anew in each call."""
        run, indices, timeline = self._prepared.planned, self._prepared.indices, self._prepared.timeline
        config, seed, entry = run.config, run.seed, run.config.optimizers[0]
        device = self._test_data.labels.device
        self.train_data = training_samples(config, self._prepared.data, indices, seed, device)
        self.model = initial_model(config, self._prepared.data, seed, indices).to(device)
        self.recorder = _Recorder() if config.training.trace else None
        optimizer = build_optimizer(entry, self.model.parameters())
        generators = {"selection": generator(seed, Stream.SELECTION)}
        learning = Learning(
            optimizer,
            build_scheduler(config.training.schedule, optimizer, timeline.steps),
            gradient_rule(entry, self.model, generators["selection"]),
            label_smoothing=config.training.label_smoothing,
            precision=getattr(torch, config.training.precision),
            step_budget=config.training.step_budget,
            recorder=self.recorder,
            generators=generators,
        )
        if isinstance(self.train_data, DeformedImages):
            generators["deformation"] = self.train_data.generator
        order = generator(seed, Stream.ORDER)
        return Training(self.model, learning, self.train_data, self._test_data, timeline, order, observer)


class _Watcher(Observer):
    """Writes the history as it grows, hears of Ctrl-C, and tells the observer of the run."""

    def __init__(
        self, folder: RunFolder, keeper: RunKeeper, observer: Observer, check: Callable[[], None]
    ) -> None:
        self._folder, self._keeper, self._observer, self._check = folder, keeper, observer, check
        self.history: list[Evaluation] = []
        self._next = 0.0

    def step(self, step: int, loss: float) -> None:
        self._observer.step(step, loss)
        self._check()

    def evaluated(self, row: Evaluation) -> None:
        self.history.append(row)
        self._keeper.look()
        if len(self.history) <= _FEW_ROWS or time.monotonic() >= self._next:
            self._write()
        self._observer.evaluated(row)

    def _write(self) -> None:
        began = time.monotonic()
        # It is written once more with the record: a full disk need not end the run before.
        with contextlib.suppress(UserError):
            self._folder.write_history(self.history)
        # All rows are written each time: of many, that may take a tenth of the run, no more.
        self._next = began + 10 * (time.monotonic() - began)


class _Recorder:
    """Hands what the trainer selects to the trace on disk."""

    def __init__(self) -> None:
        self._writer = TraceWriter()

    def add(self, batch: Tensor, selection: Selection | None) -> None:
        weights = {} if selection is None else selection.weights
        chosen = {layer: (weight > 0).cpu().numpy() for layer, weight in weights.items()}
        self._writer.add(batch.cpu().numpy(), chosen)

    def state_dict(self) -> State:
        arrays = self._writer.arrays()
        layers = [str(layer) for layer in arrays.pop("layers")]
        return {"layers": layers, "arrays": {k: torch.from_numpy(v) for k, v in arrays.items()}}

    def load_state_dict(self, state: State) -> None:
        arrays = {name: tensor.numpy() for name, tensor in state["arrays"].items()}
        self._writer.load(arrays | {"layers": np.array(state["layers"])})

    def write(self, folder: RunFolder, logits: Tensor) -> None:
        self._writer.write(folder.trace_file)
        write_predictions(folder.predictions_file, logits.argmax(1).cpu().numpy().astype(np.uint8))


def initial_model(config: Config, data: ImageData, seed: int, indices: Tensor) -> nn.Module:
    """Return the network of a seed as training finds it; the same for every optimizer."""
    height, width = data.train_images.shape[1:]
    return build_model(
        config.model,
        (1, height, width),
        data.num_classes,
        generator(seed, Stream.WEIGHTS),
        standardizer(config.data, data, indices),
    )
