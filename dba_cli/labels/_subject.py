"""What is audited: data of one's own, or what a recorded run was trained on, and the network for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dba_cli.config import Config, from_data
from dba_cli.data import Samples, as_floats, read_data
from dba_cli.errors import UserError
from dba_cli.experiments import Images, drawn, drawn_images, standardizer
from dba_cli.plots import run_config
from dba_cli.records import RunFolder
from dba_cli.training import Standardize, TensorData
from dba_cli.trial import described, network, slug

_LARGEST_BATCH = 100
_FEWEST_STEPS = 6  # of an epoch, as far as the number of samples allows


@dataclass(frozen=True, eq=False)
class Subject:
    """Samples and labels in doubt, and how a network is trained on them."""

    name: str
    samples: Tensor
    """As they were read: images (n, channels, height, width), or a table (n, features)."""
    data: TensorData
    """The same as the network sees them, before ``standardize``."""
    standardize: Standardize | None
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    config: Config
    """Of one optimizer and one seed: its network, optimizer, batch size and seed are used."""


def subject(
    path: Path,
    target: str | None,
    seed: int | None,
    overrides: Sequence[str],
    data_dir: Path,
    notify: Callable[[str], None],
    say: Callable[[str], None],
) -> Subject:
    """Return what ``path`` names: the folder of a recorded run, or data of one's own, all parts of it.

    Raises:
        UserError: It is neither, cannot be read, or an option does not fit it.
    """
    folder = RunFolder(path)
    if folder.result_file.is_file():
        for option, value in (("--target", target), ("--seed", seed), ("--set", list(overrides) or None)):
            if value is not None:
                raise UserError(
                    f"{option}: {path} is a recorded run, audited with the config that it has: leave it out"
                )
        return _of_run(folder, data_dir, notify)
    if (path / "experiment.json").is_file():
        raise UserError(f"{path}: an experiment of several runs: name one of them, such as {path}/dba/seed-0")
    samples = read_data(path, target)
    for line in described(path, samples):
        say(line)
    # A wrong label of the test part is as bad: all parts are one.
    parts: list[Samples] = [samples] + ([] if samples.test is None else [samples.test])
    pixels = torch.cat([part.samples for part in parts])
    labels = torch.cat([part.labels for part in parts])
    config = audit_config(samples.shape, len(labels), slug(path), seed or 0, overrides)
    values = as_floats(pixels)
    return Subject(
        name=config.experiment.name,
        samples=pixels,
        data=TensorData(values, labels),
        standardize=standardizer(values),
        classes=samples.classes,
        sources=tuple(source for part in parts for source in part.sources),
        config=config,
    )


def audit_config(
    shape: tuple[int, ...], n: int, name: str = "audit", seed: int = 0, overrides: Sequence[str] = ()
) -> Config:
    """Return how ``n`` samples of a shape are audited: the network of ``dba try``, and Adam.

    Raises:
        UserError: An override is no such key or value, or there are several optimizers or seeds.
    """
    config: dict[str, Any] = {
        "experiment": {"name": name},
        "data": {"draw": {"fraction": 1.0}, "standardize": True},
        "model": network(shape),
        "training": {"steps": 1, "batch_size": min(_LARGEST_BATCH, max(1, n // _FEWEST_STEPS))},
        "optimizers": [{"name": "adam", "kind": "adam"}],
        "seeds": [seed],
    }
    allowed = ("model", "optimizers", "training.batch_size")
    for text in overrides:
        key = text.partition("=")[0].strip()
        if not any(key == each or key.startswith(f"{each}.") for each in allowed):
            raise UserError(f"--set {text}: an audit has only {', '.join(allowed)} to set")
    made = from_data(config, overrides)
    if len(made.optimizers) > 1:
        raise UserError(f"--set optimizers: an audit has one, not {len(made.optimizers)}")
    return made


def _of_run(folder: RunFolder, data_dir: Path, notify: Callable[[str], None]) -> Subject:
    config = run_config(folder)
    record = folder.read()
    assert record is not None
    config = config.narrowed(record.optimizer, record.seed, record.data.source)
    data = Images(data_dir, notify).of(config.data)
    indices = drawn(config.data, data, record.seed)
    images, standardize = drawn_images(config.data, data, indices, torch.device("cpu"), record.seed)
    numbers = indices.tolist()
    return Subject(
        name=f"{record.experiment}_{record.optimizer}_seed-{record.seed}",
        samples=data.train_images[indices],
        data=images,
        standardize=standardize,
        classes=tuple(data.name_of(label) for label in range(data.num_classes)),
        sources=tuple(data.sources[i] if data.sources else f"train[{i}]" for i in numbers),
        config=config,
    )
