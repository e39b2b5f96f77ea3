"""The examples run as a user would run them, in a process of their own."""

import copy
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dba_cli import DynamicBatch

Example = Callable[..., str]
EXAMPLES = Path(__file__).parents[2] / "examples"
REFERENCE = run_path(str(EXAMPLES / "reference.py"))


def test_own_loop(example: Example) -> None:
    lines = example("own_loop.py").splitlines()
    assert len(lines) == 10
    assert float(re.search(r"accuracy ([\d.]+)%", lines[-1])[1]) > 80
    assert re.search(r"layer 0: \d+ of 100, layer 2: \d+ of 100", lines[-1])


def test_own_loop_marks_one_changed_line() -> None:
    text = (EXAMPLES / "own_loop.py").read_text()
    assert text.count("<-- the changed line") == 1


@pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is an optional extra")
def test_lightning_module(example: Example) -> None:
    output = example("lightning_module.py")
    assert float(re.search(r"accuracy\W+\s(0\.\d+)", output)[1]) > 0.8


def test_reference(capsys: pytest.CaptureFixture[str]) -> None:
    REFERENCE["main"]()
    assert float(re.search(r"difference of a gradient: (\S+)", capsys.readouterr().out)[1]) < 1e-10


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(7, 8), nn.ReLU(), nn.Linear(8, 4)], (7,)),
        ([nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)], (2, 6, 6)),
        ([nn.Linear(3, 5), nn.LayerNorm(5), nn.Tanh(), nn.Flatten(), nn.Linear(20, 4, bias=False)], (4, 3)),
    ],
)
@pytest.mark.parametrize("min_fraction", [0.1, 0.5])
def test_training_by_the_reference_is_training_by_the_engine(
    layers: list[nn.Module], shape: tuple[int, ...], min_fraction: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(*layers).double()
    plain = copy.deepcopy(model)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9) for m in (model, plain)]
    dba = DynamicBatch(model, min_fraction=min_fraction)
    for _ in range(10):
        x = torch.randn(20, *shape, generator=generator, dtype=torch.float64)
        y = torch.randint(0, 4, (20,), generator=generator)
        for optimizer in optimizers:
            optimizer.zero_grad()
        selection = dba.backward(F.cross_entropy(model(x), y, reduction="none"))
        assert selection.sizes == REFERENCE["backward"](plain, x, y, min_fraction)
        for optimizer in optimizers:
            optimizer.step()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
