"""Networks from their config section, with weights that depend on the run's seed alone."""

import inspect
from collections import OrderedDict

import torch
from torch import Tensor, nn

from dba_cli.config import ModelConfig
from dba_cli.errors import UserError
from dba_cli.method import use_fast_products
from dba_cli.models import MODELS


class Standardize(nn.Module):
    """``(images - mean) / std``, fixed: two numbers, or two for each column of a table.

    What is missing in a table (NaN) gets the mean.
    """

    mean: float | Tensor
    std: float | Tensor

    def __init__(self, mean: float | Tensor, std: float | Tensor) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("std", std)):
            if isinstance(value, Tensor):
                self.register_buffer(name, value, persistent=False)  # it goes to the device
            else:
                setattr(self, name, value)

    def forward(self, images: Tensor) -> Tensor:
        """Return the images, of any shape, on their new scale."""
        scaled = (images - self.mean) / self.std
        return scaled.nan_to_num() if isinstance(self.mean, Tensor) else scaled

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the module is printed."""
        if isinstance(self.mean, Tensor):
            return f"{len(self.mean)} columns"
        return f"mean={self.mean:.4g}, std={self.std:.4g}"


def build_model(
    config: ModelConfig,
    image_shape: tuple[int, ...],
    classes: int,
    generator: torch.Generator,
    standardize: Standardize | None = None,
) -> nn.Module:
    """Build the network on the CPU, its weights drawn from ``generator``.

    The model maps images (n, channels, height, width) or rows of a table (n, features), as ``image_shape``
    says, to logits (n, classes); ``standardize`` comes first.

    Raises:
        UserError: The network cannot be built, or does not map such images to such logits.
    """
    builder = MODELS[config.kind]
    samples = f"images {image_shape}" if len(image_shape) == 3 else f"rows of {image_shape[0]} features"
    supplied = {"image_shape": image_shape, "classes": classes, "generator": generator}
    keys = inspect.signature(builder).parameters.keys() & supplied.keys()
    # PyTorch's initialisers draw from the CPU's global state: seed it from the stream, then put it back.
    # (torch.manual_seed would seed every GPU as well, which fork_rng would not undo.)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator, device="cpu")))
        try:
            model: nn.Module = builder(**{key: supplied[key] for key in keys}, **config.arguments)
            model.eval()  # so that the trial leaves running averages alone
            with torch.no_grad():
                found = tuple(model(torch.zeros(2, *image_shape)).shape)
            model.train()
        except Exception as error:  # a user's network: any line of it may fail
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"model {config.kind}: {samples} cannot be classified ({reason})") from error
    if found != (2, classes):
        raise UserError(f"model {config.kind}: 2 images give {found}, not the logits (2, {classes})")
    use_fast_products(model)
    if standardize is None:
        return model
    # The layers of a plain sequence keep their names.
    layers = model.named_children() if type(model) is nn.Sequential else [("model", model)]
    return nn.Sequential(OrderedDict([("standardize", standardize), *layers]))


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable numbers in ``model``."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
