"""What the pictures of images need beside the records: the data set, the draw, the trace, the predictions."""

import re
from typing import TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ValidationError

from dba_cli.config import Config, DataConfig
from dba_cli.config import load as load_config
from dba_cli.data import ImageData, as_floats, draw_sha256
from dba_cli.errors import UserError
from dba_cli.experiments import Images as DataSets
from dba_cli.experiments import drawn, trained_labels
from dba_cli.plots._choices import Labels, Rates, choice_rates
from dba_cli.plots._galleries import Images, Refused
from dba_cli.records import RunFolder, read_predictions, read_trace

_Form = TypeVar("_Form", bound=BaseModel)
_NAME = 10  # characters of a class's name


def draw(folder: RunFolder, data_sets: DataSets) -> tuple[Images, Labels]:
    """Return the training images that a finished run saw, as they are in the data set, and their classes."""
    (config, seed), record = data_of(folder), folder.read()
    data = data_sets.of(config)
    indices = drawn(config, data, seed)
    if record is not None and record.data.draw_sha256 != draw_sha256(indices):
        raise UserError(f"{folder.path}: the run drew other images than its config draws now; run it again")
    labels = trained_labels(config, data, indices, seed)
    return _pixels(as_floats(data.train_images[indices])), _names(data)[labels.numpy()]


def refused(folder: RunFolder, data_sets: DataSets) -> Refused | None:
    """Return what a run with wrong labels left out in the second half of its steps; None without any wrong.

    A sample is left out that fewer than half of the layers, on average, chose when it was a candidate.
    """
    config, seed = data_of(folder)
    if config.noise is None:
        return None
    images, given = draw(folder, data_sets)
    data = data_sets.of(config)
    true = _names(data)[data.train_labels[drawn(config, data, seed)].numpy()]
    trace = read_trace(folder.trace_file)
    late = trace.steps > trace.steps.max(initial=0) // 2
    chosen = np.mean([trace.chosen[layer][late] for layer in trace.layers], axis=0)
    counts = np.bincount(trace.images[late], minlength=len(given))
    with np.errstate(invalid="ignore"):
        shares = np.bincount(trace.images[late], chosen, minlength=len(given)) / counts
    return Refused(images, given, true, shares)


def evaluation(folder: RunFolder, data_sets: DataSets) -> tuple[Images, Labels, Labels]:
    """Return images that a run was evaluated on, as its network saw them, labels, and the labels' classes."""
    config, seed = data_of(folder)
    samples = data_sets.evaluation(config, torch.device("cpu"), seed)
    return _pixels(samples.images), samples.labels.numpy(), _names(data_sets.of(config))


def _names(data: ImageData) -> Labels:
    """Return the classes by number: short names, or numbers where they have no others."""
    if not data.classes or all(re.fullmatch("-?[0-9]{1,9}", name) for name in data.classes):
        return np.array(data.classes or range(data.num_classes), dtype=np.int64)
    start, end = _NAME // 2, _NAME // 2 - 1  # names that are alike differ at one of the ends
    short = [name if len(name) <= _NAME else f"{name[:start]}…{name[-end:]}" for name in data.classes]
    if len(set(short)) < len(short):
        return np.arange(data.num_classes)
    return np.array([name.replace("$", r"\$") for name in short])  # which would begin a formula


def _pixels(images: torch.Tensor) -> Images:
    """Return images (n, channels, height, width) as shown; of other than 1 or 3 channels the mean.

    A row of a table becomes an image one pixel high, which nobody sees.
    """
    if images.ndim == 2:
        images = images[:, None, None].clamp(0, 1)
    if images.shape[1] not in (1, 3):
        images = images.mean(1, keepdim=True)
    pixels: Images = (255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels[..., 0] if images.shape[1] == 1 else pixels


def rates_of(folder: RunFolder, images: int) -> Rates:
    """Return how often a run's layers chose each of the ``images`` of its draw; empty if it selected none."""
    trace = read_trace(folder.trace_file)
    if not len(trace.images):
        return {}
    if trace.images.min() < 0 or trace.images.max() >= images:
        raise UserError(
            f"{folder.trace_file}: damaged trace (images that are not among the {images} of the draw); run "
            "again with --overwrite"
        )
    return choice_rates(trace, images)


def predictions_of(folder: RunFolder, images: int, classes: int) -> Labels:
    """Return the classes (``images``,) that a run predicted at the end of training."""
    predicted = read_predictions(folder.predictions_file).astype(np.int64)
    if predicted.shape != (images,) or int(np.max(predicted)) >= classes:
        raise UserError(
            f"{folder.predictions_file}: damaged predictions (not {images} classes below {classes}); run "
            "again with --overwrite"
        )
    return predicted


def run_config(folder: RunFolder) -> Config:
    """Return the config of a finished run: the record's, or in records of dba-cli 0.1 the file beside it.

    Raises:
        UserError: It cannot be read, or is none.
    """
    record = folder.read()
    if record is None or record.config is None:
        return load_config(folder.path / "config.yaml")
    return _validated(Config, record.config, folder, "config")


def data_of(folder: RunFolder) -> tuple[DataConfig, int]:
    """Return what a finished run was trained on, and its seed; a rule that is not here is not missed."""
    record = folder.read()
    if record is None or record.config is None:
        config = run_config(folder)
        return config.data, config.seeds[0]
    return _validated(DataConfig, record.config.get("data"), folder, "config.data"), record.seed


def _validated(form: type[_Form], value: object, folder: RunFolder, where: str) -> _Form:
    try:
        return form.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, (where, *fault["loc"])))
        what = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"{folder.result_file}: {place}: {what}") from None
