"""Classification sets of torchvision, by the name of their class."""

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dba_cli.data._folder import Images
from dba_cli.data._samples import Samples, classified, joined
from dba_cli.data._torchvision import import_torchvision
from dba_cli.errors import UserError, did_you_mean, one_line

_TEST = ("test", "val", "valid")  # what the part is called that tests, in the order of preference


@dataclass(frozen=True)
class TorchvisionSet:
    """A class of ``torchvision.datasets`` whose samples are an image and the number of its class.

    What its constructor takes says which parts there are: ``train`` true and false, ``split`` its default
    and test (or val), or one part without a test part.
    """

    name: str
    """Of the class, such as CIFAR10."""

    @property
    def _class(self) -> type:
        datasets = import_torchvision().datasets
        found: type = getattr(datasets, self.name)
        return found

    @property
    def checked(self) -> bool:
        """Whether torchvision compares digests when it opens the files."""
        return hasattr(self._class, "_check_integrity")

    def fetch(self, data_dir: Path) -> None:
        """Let torchvision download what is missing; UserError where it cannot."""
        if os.environ.get("DBA_OFFLINE", "0") not in {"", "0"}:
            raise UserError("the network is switched off by DBA_OFFLINE")
        if "download" not in inspect.signature(self._class).parameters:
            raise UserError(f"torchvision:{self.name}: torchvision cannot download it: see its documentation")
        data_dir.mkdir(parents=True, exist_ok=True)
        for _ in self._parts(data_dir, download=True):
            pass

    def read(self, data_dir: Path) -> Samples:
        """Return the images and labels of all parts.

        Raises:
            UserError: No files, damaged ones, no classification set, or images of different sizes.
        """
        parts = list(self._parts(data_dir, download=False))
        labels, images = [], Images(sum(len(part) for part in parts))
        for part in parts:
            found = []
            for i in range(len(part)):
                try:
                    image, label = part[i]
                except Exception as error:  # torchvision's, of whatever is wrong with a file
                    raise self._failed(error) from None
                if isinstance(label, bool) or not isinstance(label, int | np.integer):
                    raise UserError(
                        f"torchvision:{self.name}: its labels are no whole numbers ({label!s:.40}): not a"
                        " classification set"
                    )
                images.add(image, f"torchvision:{self.name} image {i}")
                found.append(int(label))
            labels.append(np.array(found))
        where = f"torchvision:{self.name}"
        classes, numbers = classified(labels, where)
        names = getattr(parts[0], "classes", None)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            classes = tuple(names[int(number)] if int(number) < len(names) else number for number in classes)
        pixels = torch.from_numpy(images.pixels).split([len(each) for each in labels])  # type: ignore[no-untyped-call]
        places = [[f"image {i}" for i in range(len(each))] for each in labels]
        return joined(zip(pixels, numbers, places, strict=True), classes, notes=images.notes)

    def _parts(self, data_dir: Path, *, download: bool) -> Any:
        """Yield the training part, and the part that tests if there is one."""
        parameters = inspect.signature(self._class).parameters
        given: dict[str, Any] = {"root": str(data_dir)} if "root" in parameters else {}
        if "download" in parameters:
            given["download"] = download
        yield self._made(given | self._training(parameters))
        if "train" in parameters:
            yield self._made(given | {"train": False})
        elif "split" in parameters:
            for i, split in enumerate(_TEST):
                try:
                    made = self._class(**given, split=split)
                except ValueError as error:  # it has no such part
                    if i == len(_TEST) - 1:
                        raise self._failed(error) from None
                except Exception as error:  # torchvision's, of whatever is wrong with a file
                    raise self._failed(error) from None
                else:
                    yield made
                    return

    def _training(self, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
        needed = [
            name
            for name, parameter in parameters.items()
            if parameter.default is parameter.empty
            and name != "root"
            and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        ]
        if needed:
            raise UserError(
                f"torchvision:{self.name}: needs {needed[0]!r}, which no config gives: make it in a module of"
                " your own (docs/adding-a-dataset.md)"
            )
        return {"train": True} if "train" in parameters else {}

    def _made(self, given: dict[str, Any]) -> Any:
        try:
            return self._class(**given)
        except Exception as error:  # torchvision's, of whatever is wrong with a file or the network
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> UserError:
        return UserError(f"torchvision:{self.name}: {one_line(error):.300}")


def torchvision_set(name: str) -> TorchvisionSet:
    """Return the set of a class's name; ValueError where torchvision has none."""
    datasets = import_torchvision().datasets
    known = [each for each in datasets.__all__ if hasattr(getattr(datasets, each), "__getitem__")]
    if name not in known:
        raise ValueError(f"torchvision has no dataset {name!r:.60}{did_you_mean(name, known)}")
    return TorchvisionSet(name)
