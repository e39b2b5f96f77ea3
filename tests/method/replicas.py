"""One of two processes that train together by gloo; what it finds is compared in `test_replicas`.

python replicas.py RANK FILE-TO-MEET-BY FILE-OF-RESULTS
"""

import copy
import datetime
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from dba_cli import DynamicBatch
from dba_cli.method import register_rule

WORLD = 2
SHARDS = (7, 5)
"""Samples of each process."""


@register_rule("tests-losses-uneven")
def by_losses(problem: Any) -> Tensor:
    weights = problem.losses.exp().expand(problem.shape)
    return weights / weights.sum(-1, keepdim=True)


class Network(nn.Module):
    def __init__(self, *, spare: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 5, bias=False), nn.LayerNorm(5), nn.Linear(5, 3)
        )
        self.spare = nn.Linear(2, 2) if spare else None
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def network(*, spare: bool = False) -> Network:
    return Network(spare=spare)


def whole_batch(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    n = sum(SHARDS)
    x = torch.randn(n, 7, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 3, (n,), generator=generator)


def shard(step: int, rank: int) -> tuple[Tensor, Tensor]:
    x, y = (part.split(SHARDS)[rank] for part in whole_batch(step))
    return x, y


def losses_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x), y, reduction="none")


def gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def given(model: nn.Module, rank: int | None, rule: str = "") -> dict[str, Any]:
    """What a rule asks for beside the losses: of a process, or of all."""
    if rule == "two_groups":
        labels = whole_batch(0)[1] if rank is None else shard(0, rank)[1]
        numbers = torch.arange(sum(SHARDS)).flip(0)
        return {"labels": labels, "indices": numbers if rank is None else numbers.split(SHARDS)[rank]}
    if rule != "agreement":
        return {}
    references = [losses_of(model, *whole_batch(7 + each)) for each in ([0, 1] if rank is None else [rank])]
    return {"reference": torch.cat(references)}


def averaged_by_hand(step: int, model: nn.Module, rank: int, rule: str = "prefix") -> list[Tensor]:
    """What DistributedDataParallel should leave in .grad, from a copy that is not in it."""
    twin = copy.deepcopy(model)
    twin.zero_grad()
    losses = losses_of(twin, *shard(step, rank))
    DynamicBatch(twin, rule=rule).backward(losses, **given(twin, rank, rule))
    found = gradients(twin)
    for gradient in found:
        distributed.all_reduce(gradient)
    return [gradient / WORLD for gradient in found]


def wrapped(how: str, model: nn.Module) -> tuple[nn.Module, DynamicBatch]:
    if how == "DBA before DDP":
        dba = DynamicBatch(model)
        return DistributedDataParallel(model), dba
    options: dict[str, Any] = {
        "unused parameters": {"find_unused_parameters": True},
        "static graph": {"static_graph": True},
        "static graph and a reference": {"static_graph": True},
        "views of buckets": {"gradient_as_bucket_view": True},
        "many buckets": {"bucket_cap_mb": 1e-4},
    }.get(how, {})
    replica = DistributedDataParallel(model, **options)
    return replica, DynamicBatch(
        replica.module if how == "DBA of the inner module" else replica, rule=rule_of(how)
    )


def rule_of(how: str) -> str:
    return "agreement" if "reference" in how else "prefix"


def training(how: str, rank: int) -> dict[str, Any]:
    model = network(spare=how == "unused parameters")
    replica, dba = wrapped(how, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    found, expected = [], []
    for step in range(3):
        expected.append(averaged_by_hand(step, model, rank, rule_of(how)))
        optimizer.zero_grad()
        dba.backward(losses_of(replica, *shard(step, rank)), **given(replica, rank, rule_of(how)))
        found.append(gradients(model))
        optimizer.step()
    return {"found": [*found, [p.detach() for p in model.parameters()]], "expected": expected}


def accumulation(rank: int) -> dict[str, Any]:
    model = network()
    replica = DistributedDataParallel(model)
    dba = DynamicBatch(replica)
    halves = [averaged_by_hand(step, model, rank) for step in range(2)]
    with replica.no_sync():
        dba.backward(losses_of(replica, *shard(0, rank)))
    dba.backward(losses_of(replica, *shard(1, rank)))
    return {"found": gradients(model), "expected": [a + b for a, b in zip(*halves, strict=True)]}


def over_all(rank: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The global selection, beside one process that has the whole batch."""
    model, alone = network(), network()
    replica = DistributedDataParallel(model)
    x, y = whole_batch(0)
    torch.manual_seed(rank)  # the draws of random rules differ between processes
    dba = DynamicBatch(replica, selection="global", **settings)
    own_x, own_y = shard(0, rank)
    rule = "two_groups" if settings.get("stratified") else settings.get("rule", "")
    selection = dba.backward(losses_of(replica, own_x, own_y), **given(replica, rank, rule))
    torch.manual_seed(0)
    one = DynamicBatch(alone, **settings).backward(losses_of(alone, x, y), **given(alone, None, rule))
    return {
        "found": gradients(model),
        "expected": gradients(alone),
        "weights": list(selection.weights.values()),
        "weights alone": list(one.weights.values()),
    }


def refusal(action: Callable[[], object]) -> str:
    try:
        action()
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "not refused"


def overflow(rank: int, selection: Any, scale: float) -> dict[str, Any]:
    """The losses, or their gradients, of one process alone overflow."""
    model = network().float()
    replica = DistributedDataParallel(model)
    dba = DynamicBatch(replica, rule="top_k", selection=selection)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    before = [p.detach().clone() for p in model.parameters()]
    x, y = shard(0, rank)
    losses = losses_of(replica, x.float(), y) * (scale if rank else 1)
    dba.backward(scaler.scale(losses))
    scaler.step(optimizer)
    scaler.update()
    return {
        "found": [p.detach() for p in model.parameters()],
        "expected": before,
        "scale": scaler.get_scale(),
    }


def not_finite(rank: int) -> str:
    model = network()
    dba = DynamicBatch(model, selection="global", rule="all")
    return refusal(lambda: dba.backward(losses_of(model, *shard(0, rank)) * (torch.inf if rank else 1)))


def sharded(rank: int) -> str:
    from torch.distributed.fsdp import fully_shard

    model = network()
    dba = DynamicBatch(model)
    fully_shard(model, mesh=distributed.device_mesh.init_device_mesh("cpu", (WORLD,)))
    return refusal(lambda: dba.backward(losses_of(model, *shard(0, rank))))


def differing_layers(rank: int) -> str:
    model = network()
    model.body[2].requires_grad_(rank == 0)
    dba = DynamicBatch(model, selection="global", rule="all")
    return refusal(lambda: dba.backward(losses_of(model, *shard(0, rank))))


WAYS = [
    "DBA before DDP",
    "DBA of the inner module",
    "DBA of the wrapper",
    "unused parameters",
    "static graph",
    "static graph and a reference",
    "views of buckets",
    "many buckets",
]
GLOBAL: dict[str, dict[str, Any]] = {
    "all": {"rule": "all"},
    "top_k by norm": {"rule": "top_k", "order": "norm"},
    "top_k by alignment": {"rule": "top_k", "order": "alignment", "min_fraction": 0.5},
    "prefix of a size": {"order": "projection", "size": 4},
    "for the model": {"order": "distance", "size": 5, "scope": "model"},
    "random": {"rule": "random", "size": 4},
    "by losses": {"rule": "largest_loss", "min_fraction": 0.5, "max_fraction": 0.5},
    "own rule": {"rule": "tests-losses-uneven"},
    "within classes": {"rule": "top_k", "stratified": True, "min_fraction": 0.5},
    "what is remembered": {"rule": "two_groups", "min_fraction": 0, "tilt": -0.5},
    "by a reference": {"rule": "agreement", "min_fraction": 0},
}


def main(rank: int, meeting: str, results: str) -> None:
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=WORLD,
        timeout=datetime.timedelta(seconds=60),
    )
    found: dict[str, Any] = {how: training(how, rank) for how in WAYS}
    found["accumulation"] = accumulation(rank)
    found |= {f"global {name}": over_all(rank, settings) for name, settings in GLOBAL.items()}
    for selection in ("local", "global"):
        found[f"overflow of losses, {selection}"] = overflow(rank, selection, 1e38)
        found[f"overflow of squares, {selection}"] = overflow(rank, selection, 1e25)
    found["not finite"] = not_finite(rank)
    found["refused"] = refusal(lambda: over_all(rank, {"rule": "greedy"}))
    found["differing"] = differing_layers(rank)
    found["sharded"] = sharded(rank)
    torch.save(found, results)
    distributed.barrier()
    os._exit(0)  # threads of gloo may keep an interpreter from ending


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
