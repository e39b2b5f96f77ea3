"""Networks of torchvision and timm by name, with GroupNorm where they have BatchNorm.

BatchNorm in training makes every sample's output depend on the whole batch, so that a sample has no gradient
of its own to select by. GroupNorm (Wu and He 2018) takes its mean and variance within one sample.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dba_cli.data import import_torchvision
from dba_cli.errors import UserError, did_you_mean, one_line

Builder = Callable[..., nn.Module]
_MOST_GROUPS, _FEWEST_CHANNELS = 32, 4


@cache
def torchvision_model(name: str) -> Builder:
    """Return what builds ``torchvision.models.NAME``; ValueError where there is no such classifier.

    Its other arguments, such as ``dropout``, are keys. The first convolution is made anew where the images
    have another number of channels than three.
    """
    try:
        models = import_torchvision().models
    except UserError as error:
        raise ValueError(str(error)) from error
    names = models.list_models(module=models)
    if name not in names:
        raise ValueError(f"torchvision has no classifier {name!r:.60}{did_you_mean(name, names)}")

    def build(image_shape: tuple[int, int, int], classes: int, **arguments: Any) -> nn.Module:
        _refuse_weights(arguments)
        model: nn.Module = models.get_model(name, weights=None, num_classes=classes, **arguments)
        _take_channels(model, image_shape[0])
        return with_group_norm(model)

    return build


@cache
def timm_model(name: str) -> Builder:
    """Return what builds timm's model NAME; ValueError where there is none, or timm is not installed.

    Its other arguments, such as ``img_size`` of a transformer, are keys.
    """
    try:
        import_torchvision()  # timm imports it, and fails where its operators do not load
        timm: Any = import_module("timm")
    except (ImportError, UserError) as error:
        reason = one_line(error)
        raise ValueError(f"timm does not import ({reason}); pip install 'dba-cli[timm]'") from error
    if not timm.is_model(name):
        raise ValueError(f"timm has no model {name!r:.60}{did_you_mean(name, timm.list_models())}")

    def build(image_shape: tuple[int, int, int], classes: int, **arguments: Any) -> nn.Module:
        _refuse_weights(arguments)
        model: nn.Module = timm.create_model(name, in_chans=image_shape[0], num_classes=classes, **arguments)
        return with_group_norm(model)

    return build


def with_group_norm(model: nn.Module) -> nn.Module:
    """Replace every BatchNorm in ``model`` by a GroupNorm with the same scale and shift; return the model.

    Raises:
        ValueError: A module couples samples and cannot be replaced: it is named.
    """
    for name, module in list(model.named_modules()):
        replacement: nn.Module | None = None
        if isinstance(module, _BatchNorm):
            replacement = _group_norm(name, module)
        elif "running_var" in dict(module.named_buffers(recurse=False)):
            raise _unreplaceable(name, module)
        if replacement is not None and name:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, replacement)
        elif replacement is not None:
            model = replacement
    return model


def groups_of(channels: int) -> int:
    """Return the groups of a GroupNorm: at most 32, each of four channels or more where there are as many."""
    most = max(1, min(_MOST_GROUPS, channels // _FEWEST_CHANNELS))
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


def _group_norm(name: str, module: Any) -> nn.Module:
    """Return the GroupNorm for a BatchNorm, with what timm's BatchNormAct2d does after it."""
    norm = nn.GroupNorm(groups_of(module.num_features), module.num_features, module.eps, module.affine)
    if module.affine:
        norm.weight, norm.bias = module.weight, module.bias
    inherited = any(type(module).forward is base.forward for base in _TORCHS)
    if inherited:
        return norm
    after = [getattr(module, part, None) for part in ("drop", "act")]
    if not all(isinstance(part, nn.Module) for part in after):
        raise _unreplaceable(name, module)
    return nn.Sequential(norm, *after)  # type: ignore[arg-type]


_TORCHS: tuple[Any, ...] = (nn.BatchNorm2d, nn.SyncBatchNorm)


def _unreplaceable(name: str, module: nn.Module) -> ValueError:
    return ValueError(
        f"its {type(module).__name__} {name!r} normalizes over the batch and cannot be replaced by GroupNorm"
    )


def _take_channels(model: nn.Module, channels: int) -> None:
    """Make the first convolution anew, for images of so many channels."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != channels:
                parent, _, child = name.rpartition(".")
                arguments: Any = {
                    key: getattr(module, key)
                    for key in ("kernel_size", "stride", "padding", "dilation", "padding_mode")
                }
                bias = module.bias is not None
                made = nn.Conv2d(channels, module.out_channels, bias=bias, **arguments)
                setattr(model.get_submodule(parent), child, made)
            return


def _refuse_weights(arguments: dict[str, Any]) -> None:
    for key in ("weights", "pretrained", "checkpoint_path"):
        if key in arguments:
            raise ValueError(f"{key}: the weights come from the run's seed; leave it out")
