"""Processes that each hold a part of a batch: DistributedDataParallel, and selection over all parts."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Variable

from ._delivery import nodes_behind
from ._layer_gradients import Gradients, inner_products
from ._layers import NonFiniteError, require_finite
from ._problem import Search, SelectionProblem

_GAVE_UP = -1


def refuse_sharded(model: nn.Module) -> None:
    """Refuse models whose parameters are sharded over processes."""
    if not distributed.is_initialized() or "torch.distributed.fsdp" not in sys.modules:
        return
    from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel

    for name, module in model.named_modules():
        if isinstance(module, (FSDPModule, FullyShardedDataParallel)):
            kind = "FSDP2, fully_shard" if isinstance(module, FSDPModule) else "FSDP"
            raise RuntimeError(
                f"module {name!r} is sharded ({kind}), so no process has its whole gradient to choose by; "
                "use DistributedDataParallel"
            )


def static_reduction(losses: Tensor) -> Callable[[], None] | None:
    """What DistributedDataParallel with a static graph still has to be told within the backward pass.

    In the first step it reduces all gradients at the end of the first backward pass that goes through its
    output. That pass is not the one that writes gradients: keep it from there, and return the call that
    brings the reduction about.
    """
    if not distributed.is_initialized():
        return None
    for node in nodes_behind(losses):
        if node.name() == "_DDPSinkBackward":
            replica = node.ddp_weakref()
            if replica.static_graph and not replica._static_graph_delay_allreduce_enqueued:
                replica._static_graph_delay_allreduce_enqueued = True
                reduce = replica.reducer._delay_all_reduce
                return lambda: Variable._execution_engine.queue_callback(reduce)
    return None


@dataclass(frozen=True, eq=False, kw_only=True)
class WholeProblem(SelectionProblem):
    """The samples of all processes, rank after rank; the same in each of them.

    Attributes:
        own: the samples of this process.
        counts: number of samples of each.
    """

    own: SelectionProblem
    counts: tuple[int, ...]

    @classmethod
    def of(cls, own: SelectionProblem) -> "WholeProblem":
        """Gather losses, labels, and what else a rule will ask for, from all processes.

        Raises:
            RuntimeError: the processes have not used the same layers.
            NonFiniteError: some process gave up.
        """
        names = crc32(repr([layer.names for layer in own.layers]).encode())
        all_of_them = _called(
            own.samples,
            names,
            *(given is not None for given in (own.labels, own.indices, own.reference)),
            device=own.losses.device,
        )
        if any(row[0] == _GAVE_UP for row in all_of_them):
            raise NonFiniteError("losses or gradients of another process are not finite")
        if len({tuple(row[1:]) for row in all_of_them}) > 1:
            raise RuntimeError(
                "selection='global' needs the same layers, and labels, indices and a reference or none, in "
                "every process; give up one of the two: a forward pass that differs between ranks, or the "
                "global selection"
            )
        counts = tuple(row[0] for row in all_of_them)
        if own.reference is not None:
            references = own.references
            _sum_over_processes(references)
            own = replace(own, reference={p: g / _world() for found in references for p, g in found.items()})
        values: dict[str, Any] = {field.name: getattr(own, field.name) for field in fields(SelectionProblem)}
        values["losses"] = _from_all(own.losses, counts)
        for name, given in (("labels", own.labels), ("indices", own.indices)):
            if given is not None:
                values[name] = _from_all(given, counts)
        return cls(**values, own=own, counts=counts)

    def mine(self, weights: Tensor) -> Tensor:
        """Those of this process's samples, scaled so that the gradients' average over processes is meant."""
        first = sum(self.counts[: _rank()])
        return weights[:, first : first + self.own.samples] * len(self.counts)

    def agreed(self, weights: Tensor) -> Tensor:
        """The weights that the first process found: random rules may draw differently in each."""
        if _world() > 1:
            weights = weights.contiguous()
            distributed.broadcast(weights, 0)
        return weights

    @cached_property
    def gram(self) -> Tensor:
        """Raise ValueError."""
        raise ValueError(
            "this rule compares every two samples, which selection='global' would have to do over all "
            "processes; use all, top_k, random or prefix with size=, largest_loss or smallest_loss, or "
            "selection='local'"
        )

    def choose_ways(self, *needs: str, search: Search | None = None) -> None:
        """Choose nothing, as no process has the whole; raise ValueError for a search over sizes."""
        if search is not None:
            _ = self.gram

    @cached_property
    def square_norms(self) -> Tensor:
        """``|g_i|^2``, (layers, n)."""
        return self._gathered(lambda: self.own.square_norms)

    @cached_property
    def reference_products(self) -> Tensor:
        """Inner products with the mean of all processes' references, (layers, n)."""
        return self._gathered(lambda: self.own.reference_products)

    @cached_property
    def projections(self) -> Tensor:
        """Inner products with the whole batch's mean gradient, (layers, n)."""
        return self._gathered(self._own_projections)

    def _own_projections(self) -> Tensor:
        weights = self.own.losses.new_full((self.own.samples,), 1 / self.samples, dtype=self.dtype)
        means = [layer.gradients.weighted_sum(weights) for layer in self.layers]
        _sum_over_processes(means)
        projections = torch.stack(
            [
                inner_products(layer.gradients, mean, self.own.samples)
                for layer, mean in zip(self.layers, means, strict=True)
            ]
        )
        return projections.sum(0, keepdim=True) if self.together else projections

    def _gathered(self, values_of: Callable[[], Tensor]) -> Tensor:
        try:
            own = values_of()
        except NonFiniteError:  # All shall hear of it: who raises alone leaves the others waiting.
            own = self.own.losses.new_full((self.shape[0], self.own.samples), torch.nan, dtype=self.dtype)
        values = _from_all(own, self.counts)
        require_finite(values, self.layers)
        return values


def give_up(losses: Tensor) -> None:
    """Tell the processes that call `WholeProblem.of` that this one's losses or gradients are not finite."""
    _called(_GAVE_UP, 0, False, False, False, device=losses.device)


def _sum_over_processes(gradients: Sequence[Gradients]) -> None:
    """Sum gradients, in place, with those of the other processes."""
    parts = [gradient for own in gradients for gradient in own.values()]
    flat = torch.cat([part.flatten() for part in parts])
    if _world() > 1:
        distributed.all_reduce(flat)
    for part, values in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
        part.copy_(values.view_as(part))


def _called(*own: int, device: torch.device) -> list[list[int]]:
    """What each process says of its part of the batch, the number of samples first."""
    values = _from_all(torch.tensor(own, device=device), [len(own)] * _world())
    rows: list[list[int]] = values.view(-1, len(own)).tolist()
    return rows


def _world() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def _from_all(own: Tensor, counts: Sequence[int]) -> Tensor:
    """Join the last axes of all processes, of `counts` elements, in the order of ranks."""
    if len(counts) == 1:
        return own
    padded = own.new_zeros(*own.shape[:-1], max(counts))
    padded[..., : own.shape[-1]] = own
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[..., :count] for part, count in zip(parts, counts, strict=True)], -1)
