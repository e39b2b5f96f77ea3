import math

import pytest
import torch

from dba_cli.method import METRICS
from dba_cli.method._metrics import SubsetStatistics

from . import reference


def of_gradients(gradients: torch.Tensor, weights: torch.Tensor) -> SubsetStatistics:
    gram = gradients @ gradients.T
    size = (weights > 0).sum().double()
    means = (weights @ gram.diagonal()).double(), (weights @ gram @ weights).double()
    return SubsetStatistics.of_means(size, *means, torch.finfo(gram.dtype).eps)


@pytest.mark.parametrize("name", METRICS)
def test_metric_by_its_definition(name: str) -> None:
    gradients = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for chosen in ([0], [1, 2], list(range(8))):
        weights = reference.equal_weights(chosen, 8)
        value = METRICS[name].function(of_gradients(gradients, weights)).item()
        assert math.isclose(value, reference.metric(name, gradients, weights), rel_tol=1e-10)


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], {"snr": 0.0, "noise_scale": math.inf, "diversity": 0.0, "variance": 0.0}),
        ([[1.0, 2.0], [1.0, 2.0]], {"snr": math.inf, "noise_scale": 0.0, "diversity": 0.5, "variance": 0.0}),
        (
            [[1.0, 2.0], [-1.0, -2.0]],
            {"snr": 0.0, "noise_scale": math.inf, "diversity": math.inf, "norm": 0.0},
        ),
    ],
)
def test_degenerate_gradients(gradients: list[list[float]], expected: dict[str, float]) -> None:
    statistics = of_gradients(torch.tensor(gradients, dtype=torch.float64), torch.full((2,), 0.5).double())
    for name, value in expected.items():
        assert METRICS[name].function(statistics).item() == value


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_of_identical_gradients_is_no_variance(dtype: torch.dtype) -> None:
    gradient = torch.randn(1, 3000, generator=torch.Generator().manual_seed(0)).to(dtype)
    statistics = of_gradients(gradient.repeat(70, 1), torch.full((70,), 1 / 70, dtype=dtype))
    assert statistics.variance.item() == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_nan_never_wins(name: str) -> None:
    nan = torch.full((1, 1), math.nan, dtype=torch.float64)
    statistics = SubsetStatistics.of_means(torch.ones(1, 1).double(), nan, nan, 1e-16)
    assert METRICS[name].score(statistics).item() == -math.inf
