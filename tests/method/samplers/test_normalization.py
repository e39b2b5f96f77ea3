from collections.abc import Callable

import pytest
import torch
from torch import nn

from dba_cli import DynamicBatch

from ..exactness import assert_exact


def evaluated(norm: nn.Module) -> nn.Module:
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    return norm.eval()


BUILDS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.LayerNorm(6), (5, 6)),
    (lambda: nn.LayerNorm((3, 6), eps=0.1), (5, 2, 3, 6)),
    (lambda: nn.LayerNorm(6, bias=False), (5, 4, 6)),
    (lambda: nn.RMSNorm(6), (5, 4, 6)),
    (lambda: nn.RMSNorm((3, 6), eps=0.1), (5, 3, 6)),
    (lambda: nn.GroupNorm(2, 6), (5, 6)),
    (lambda: nn.GroupNorm(3, 6, eps=0.1), (5, 6, 4, 4)),
    (lambda: nn.InstanceNorm1d(6, affine=True), (5, 6, 7)),
    (lambda: nn.InstanceNorm2d(6, affine=True), (5, 6, 3, 3)),
    (lambda: nn.InstanceNorm3d(6, affine=True, track_running_stats=True), (5, 6, 2, 3, 2)),
    (lambda: evaluated(nn.InstanceNorm2d(6, affine=True, track_running_stats=True)), (5, 6, 3, 3)),
    (lambda: evaluated(nn.BatchNorm1d(6)), (5, 6)),
    (lambda: evaluated(nn.BatchNorm2d(6, eps=0.1)), (5, 6, 3, 3)),
]
CASES = [
    (build, shape, frozen)
    for build, shape in BUILDS
    for frozen in (None, "weight", "bias")
    if frozen is None or getattr(build(), "bias", None) is not None
]


@pytest.mark.parametrize(("build", "shape", "frozen"), CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_normalization(
    build: Callable[[], nn.Module],
    shape: tuple[int, ...],
    frozen: str | None,
    dtype: torch.dtype,
    rtol: float,
) -> None:
    torch.manual_seed(0)
    model = build().to(dtype)
    if frozen is not None:
        getattr(model, frozen).requires_grad_(False)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(shape, dtype=dtype)
    assert_exact(model, lambda m: m(x).tanh().square().flatten(1).sum(1), rtol=rtol)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False)])
def test_batch_norm_in_training_is_refused_by_name_with_the_mend(norm: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(3, 4), norm, nn.Linear(4, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    dba = DynamicBatch(model)
    losses = model(torch.randn(5, 3)).squeeze(1)
    every = r"'1' \(BatchNorm1d\), '3' \(BatchNorm1d\)"
    with pytest.raises(RuntimeError, match=rf"{every}.*\.eval\(\).*GroupNorm.*coupled='exact'"):
        dba.backward(losses)
    model.eval()
    dba.backward(model(torch.randn(5, 3)).squeeze(1))
