"""What ``dba run`` would do with a config: the network, the runs, and which of them are done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dba_cli.records import RunFolder, RunRecord

if TYPE_CHECKING:  # torch comes with these, which looking at a record does without
    from torch import nn

    from dba_cli.config import Config


@dataclass(frozen=True)
class LayerView:
    """A module with parameters of its own."""

    name: str
    kind: str
    shapes: str
    parameters: int


@dataclass(frozen=True)
class RunState:
    """A run of the plan, and the record in its folder, which may be that of another config."""

    optimizer: str
    seed: int
    record: RunRecord | None
    done: bool

    @property
    def disowned(self) -> bool:
        """Return whether the folder holds a finished run of another config."""
        return self.record is not None and not self.done


@dataclass(frozen=True)
class ConfigView:
    """A config as it stands on this machine: ``yaml`` is the whole of it, defaults included.

    ``config`` names the data source that was found.
    """

    config: "Config"
    yaml: str
    layers: list[LayerView]
    runs: list[RunState]

    @property
    def parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(layer.parameters for layer in self.layers)


def view_config(config: "Config", data_dir: Path, results: Path, notify: Callable[[str], None]) -> ConfigView:
    """Return what ``config`` stands for; nothing is downloaded, trained or written.

    Raises:
        UserError: A record in ``results`` is damaged, or the data folder cannot be read.
    """
    import torch

    from dba_cli.config import to_yaml
    from dba_cli.experiments import Settings, narrowed_runs

    settings = Settings(data_dir, results, torch.device("cpu"))
    found = _found_source(config, data_dir, notify)
    # Runs of another config are shown here, where 'dba run' would refuse.
    runs = [
        _state(run, hashed, folder)
        for run, hashed, folder in narrowed_runs(found, found.data.source, settings)
    ]
    return ConfigView(found, to_yaml(config), _layers(found, data_dir), runs)


def _state(run: "Config", hashed: str, folder: RunFolder) -> RunState:
    record = folder.read()
    done = record is not None and record.config_hash == hashed
    return RunState(run.optimizers[0].name, run.seeds[0], record, done)


def _found_source(config: "Config", data_dir: Path, notify: Callable[[str], None]) -> "Config":
    """Return the config with the source that can be had now: looking must not download."""
    from dba_cli.data import DATASETS, status

    source = config.data.source
    if source == "auto":
        absent = status(config.data.dataset, data_dir).absent
        source = "embedded" if absent and DATASETS[config.data.dataset].sample else "official"
        if source == "embedded":
            notify(
                f"no official files in {data_dir}: 'dba run' tries the download first; "
                "what follows is for the embedded sample"
            )
    return config.model_copy(update={"data": config.data.model_copy(update={"source": source})})


def _layers(config: "Config", data_dir: Path) -> list[LayerView]:
    from dba_cli.data import image_shape_and_classes
    from dba_cli.training import Stream, build_model, generator

    shape, classes = image_shape_and_classes(config.data.dataset, data_dir)
    model = build_model(config.model, shape, classes, generator(0, Stream.WEIGHTS))
    return [_layer(name, module) for name, module in model.named_modules() if list(_own(module))]


def _layer(name: str, module: "nn.Module") -> LayerView:
    own = list(_own(module))
    return LayerView(
        name=name,
        kind=type(module).__name__,
        shapes=", ".join(" x ".join(map(str, parameter.shape)) for parameter in own),
        parameters=sum(parameter.numel() for parameter in own if parameter.requires_grad),
    )


def _own(module: "nn.Module") -> "Iterator[nn.Parameter]":
    return module.parameters(recurse=False)
