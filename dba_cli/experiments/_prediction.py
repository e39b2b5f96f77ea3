"""Predictions of a recorded run's network."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dba_cli.data import Samples, form_of, read_data, read_pictures
from dba_cli.errors import UserError
from dba_cli.experiments._images import Images, evaluation_samples
from dba_cli.experiments._weights import Network, read_network
from dba_cli.records import RunFolder


def predicted(run: Path, path: Path | None, data_dir: Path) -> dict[str, list[Any]]:
    """Return the columns of `dba_cli.predict`; errors are its."""
    network = _network(run)
    if path is None:
        return _of_its_own_data(network, data_dir)
    samples, names, labels = _samples(path)
    if tuple(samples.shape[1:]) != network.shape:
        found, wanted = (" x ".join(map(str, shape)) for shape in (samples.shape[1:], network.shape))
        raise UserError(f"{path}: samples of {found}, and the network of {run} takes {wanted}")
    probabilities = network.probabilities(samples)
    return _columns(network, names, probabilities, labels)


def _network(run: Path) -> Network:
    if run.is_file() and run.suffix == ".safetensors":
        return read_network(run)
    folder = RunFolder(run)
    if folder.read() is None:
        raise UserError(f"{run}: no finished run; give a run's folder, RESULTS/EXPERIMENT/OPTIMIZER/seed-N")
    return read_network(folder.weights_file)


def _of_its_own_data(network: Network, data_dir: Path) -> dict[str, list[Any]]:
    config, seed = network.config.data, network.config.seeds[0]
    data = Images(data_dir).of(config)
    names = tuple(data.name_of(label) for label in range(data.num_classes))
    if (data.image_shape, names) != (network.shape, network.classes):
        raise UserError(f"{data.title}: not the data that the network was trained on")
    # Prepared there as its network saw them in training.
    raw = config.model_copy(update={"preprocessing": "none"})
    samples = evaluation_samples(raw, data, torch.device("cpu"), seed)
    probabilities = network.probabilities(samples.images)
    numbers = [f"{config.evaluate_on}[{i}]" for i in range(len(samples.labels))]
    return _columns(network, numbers, probabilities, [network.classes[label] for label in samples.labels])


def _samples(path: Path) -> tuple[Tensor, list[str], list[str] | None]:
    """Return images, where each came from, and their labels where they have some."""
    if form_of(path) == "folder" and not any(each.is_dir() for each in path.iterdir() if each.name[0] != "."):
        pictures, names = read_pictures(path)
        return pictures, list(names), None
    if form_of(path) == "csv":
        raise UserError(
            f"{path}: the columns of a table are scaled by the file that they come from: of one, only what"
            " the run was evaluated on can be predicted; leave DATA out"
        )
    whole = read_data(path)
    parts: list[Samples] = [whole] + ([] if whole.test is None else [whole.test])
    if any(part.samples.dtype != torch.uint8 for part in parts):
        raise UserError(f"{path}: images that are no bytes are scaled by their own file: give bytes")
    labels = [whole.classes[label] for part in parts for label in part.labels]
    return torch.cat([part.samples for part in parts]), [n for part in parts for n in part.sources], labels


def _columns(
    network: Network, names: list[str], probabilities: Tensor, labels: list[str] | None
) -> dict[str, list[Any]]:
    most, classes = probabilities.max(1)
    columns: dict[str, list[Any]] = {
        "sample": list(names),
        "predicted": [network.classes[number] for number in classes],
        "probability": [round(each, 6) for each in most.tolist()],
    }
    return columns if labels is None else columns | {"label": labels}
