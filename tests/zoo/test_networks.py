"""Networks of timm, transformers and peft, and large ones of torchvision, against the loop over samples."""

from importlib.util import find_spec

import pytest
import torch

from tools import zoo

# Of the libraries about their own parts, such as caches that checkpointing turns off.
pytestmark = pytest.mark.filterwarnings("ignore")

SINGLE = ("Llama", "Qwen2", "T5")  # these compute parts in float32, whatever their parameters are


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [name for name in zoo.NETWORKS if name not in zoo.quick()])
def test_exact(name: str, dtype: torch.dtype) -> None:
    if find_spec(name.partition(":")[0]) is None:
        pytest.skip("its library is in the extra zoo")
    double = dtype == torch.float64 and not any(part in name for part in SINGLE)
    found = zoo.agreement(name, dtype)
    assert found.weighted < (1e-9 if double else 1e-4)
    assert found.mean < (1e-9 if double else 1e-4)
