"""Every network of the zoo under bfloat16 autocast, against autograd on the same graph."""

from importlib.util import find_spec

import pytest
import torch

from dba_cli import DynamicBatch
from tools import zoo

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_autocast_of_every_network(name: str) -> None:
    if find_spec(name.partition(":")[0]) is None and name not in zoo.quick():
        pytest.skip("its library is in the extra zoo")
    model, losses_of = zoo.build(name)
    dba = DynamicBatch(model, scope="model", coupled="exact" if "coupled" in name else "refuse")
    parameters = [p for p in model.parameters() if p.requires_grad]
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = losses_of(model)
        selection = dba.backward(losses, retain_graph=True)
        weights = next(iter(selection.weights.values()))
        ours = [p.grad for p in parameters]
        model.zero_grad()
        (losses * weights).sum().backward()
        theirs = [p.grad for p in parameters]
        model.zero_grad()
        assert [g is None for g in ours] == [g is None for g in theirs]
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
        scale = max(float(b.norm()) for _, b in pairs)
        for a, b in pairs:
            assert float((a - b).norm()) < 0.05 * max(float(b.norm()), scale / 20)
