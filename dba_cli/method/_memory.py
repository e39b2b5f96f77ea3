"""What is remembered of each sample of a training set, from batch to batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._registry import Registry

RememberedFunction = Callable[[SelectionProblem], Tensor]
REMEMBERED: Registry[RememberedFunction] = Registry("remembered quantity")
_UNKNOWN = -1


def register_remembered(name: str) -> Callable[[RememberedFunction], RememberedFunction]:
    """Register a quantity under `name`, for `DynamicBatch(remember=name)`.

    The decorated function maps a `SelectionProblem` to what one batch says of its samples, of the problem's
    ``shape``, (layers, n), or (n,) for all layers alike: the larger, the less a sample is trusted. What it
    does not ask the problem for is not computed.

    Raises:
        ValueError: the name is taken.
    """
    return REMEMBERED.register(name)


@register_remembered("distance")
def distance(problem: SelectionProblem) -> Tensor:
    """``log |g_i - mean|^2``, relative to the batch's mean of these squares."""
    problem.choose_ways("square_norms", "projections")
    square_mean = problem.projections.mean(-1, keepdim=True)
    return _relative_logarithm(problem.square_norms - 2 * problem.projections + square_mean)


@register_remembered("norm")
def norm(problem: SelectionProblem) -> Tensor:
    """``log |g_i|^2``, relative to the batch's mean of these squares."""
    return _relative_logarithm(problem.square_norms)


@register_remembered("loss")
def loss(problem: SelectionProblem) -> Tensor:
    """Logarithm of the loss, relative to the batch's mean loss."""
    return _relative_logarithm(problem.losses)


def _relative_logarithm(values: Tensor) -> Tensor:
    """Logarithm of values (..., n) over their mean; what rounding makes of nothing is rounding's size."""
    floor = torch.finfo(values.dtype).eps
    mean = values.mean(-1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return (values / mean).clamp_min(floor).log()


class Memory:
    """A running mean of one quantity for every sample of the training set, for each layer.

    It grows with the largest index that it meets. Where several processes train together, each remembers the
    samples that its rule chooses among.

    Args:
        quantity: what of a sample is remembered, one of `REMEMBERED`.
        old: share of the running mean that a new value leaves, in [0, 1).
        class_relative: whether values are taken relative to the median of their class, by the labels given.
        upper_group: share of the samples below which the upper of two groups is none.

    Raises:
        ValueError: an unknown quantity, or a share outside its range.
    """

    def __init__(self, quantity: str, old: float, class_relative: bool, upper_group: float = 0.0) -> None:
        if not 0 <= old < 1:
            raise ValueError(f"memory must be in [0, 1), not {old}")
        if not 0 <= upper_group <= 1:
            raise ValueError(f"upper_group must be in [0, 1], not {upper_group}")
        self.upper_group = upper_group
        self._quantity = REMEMBERED[quantity]
        self._old, self._class_relative = old, class_relative
        self._means: dict[str, Tensor] = {}
        self._labels: Tensor | None = None
        self._rows: tuple[str, ...] = ()

    def updated(self, problem: SelectionProblem) -> Tensor:
        """Take in what the batch says; return what is now remembered of its samples, (layers, n).

        Raises:
            ValueError: the problem has no indices, or no labels where they are needed.
        """
        indices, labels = problem.indices, problem.labels
        if indices is None:
            raise ValueError(
                "this selection remembers samples: say which they are, backward(losses, indices=indices)"
            )
        if labels is None and self._class_relative:
            raise ValueError(
                "what is remembered is relative to a sample's class: backward(losses, labels=labels), or "
                "class_relative=False"
            )
        for name, values in (("indices", indices), ("labels", labels)):
            if values is not None and (values.is_floating_point() or int(values.min()) < 0):
                raise ValueError(f"{name} must be whole numbers from 0: what is remembered goes by them")
        new = self._quantity(problem).expand(problem.shape)
        self._rows = ("",) if problem.together else tuple(layer.names[0] for layer in problem.layers)
        self._make_room(int(indices.max()) + 1, new)
        new = _each_once(new, indices)
        if labels is not None:
            assert self._labels is not None
            self._labels[indices] = labels.to(torch.int64)
        for name, row in zip(self._rows, new, strict=True):
            mean = self._means[name][indices]
            mean = self._old * mean + (1 - self._old) * row
            self._means[name][indices] = torch.where(mean.isnan(), row, mean)
        return self.values[:, indices]

    @property
    def values(self) -> Tensor:
        """What is remembered of every sample, (layers, N) in the order of the last batch; NaN: never met."""
        means = torch.stack([self._means[name] for name in self._rows])
        if not self._class_relative:
            return means
        assert self._labels is not None
        return means - _class_medians(means, self._labels)

    def _make_room(self, size: int, like: Tensor) -> None:
        if self._labels is None:
            self._labels = like.new_empty(0, dtype=torch.int64)
        self._labels = _longer(self._labels, size, _UNKNOWN)
        size = len(self._labels)
        for name in self._rows:
            self._means[name] = _longer(self._means.get(name, like.new_empty(0)), size, torch.nan)

    def state_dict(self) -> dict[str, Any]:
        """Everything that is remembered: tensors on the device of the losses."""
        return {"labels": self._labels, "means": dict(self._means)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what another one remembered."""
        self._labels = None if state["labels"] is None else state["labels"].clone()
        self._means = {name: mean.clone() for name, mean in state["means"].items()}


def _each_once(values: Tensor, indices: Tensor) -> Tensor:
    """Values (layers, n), where those of one index (n,) are replaced by their mean."""
    times = torch.bincount(indices)
    sums = values.new_zeros(len(values), len(times)).index_add_(1, indices, values)
    return sums[:, indices] / times[indices]


def _longer(values: Tensor, size: int, fill: float) -> Tensor:
    more = size - len(values)
    return values if more <= 0 else torch.cat([values, values.new_full((more,), fill)])


def _class_medians(values: Tensor, labels: Tensor) -> Tensor:
    """For every value (layers, N) the lower median of its class (N,); NaN has no class."""
    # Sorted by value and then by class, a class is one stretch, and its median is in the middle.
    order = values.argsort(dim=-1, stable=True)
    order = order.gather(-1, labels[order].argsort(dim=-1, stable=True))
    known = labels[labels >= 0]
    counts = torch.bincount(known, minlength=1)
    starts = len(labels) - len(known) + counts.cumsum(0) - counts
    # A class that has no sample points at another's; nobody asks for it.
    places = (starts + (counts - 1).clamp_min(0) // 2).clamp_max(len(labels) - 1)
    medians = values.gather(-1, order[:, places])
    return medians[:, labels.clamp_min(0)]


def otsu_cut(values: Tensor) -> Tensor:
    """Largest value of the lower of two groups, (layers, 1), of values (layers, N); NaN is left out.

    The cut is where the variance between the groups is largest (Otsu 1979): ``k (n - k) (m_low - m_high)^2``
    for the k smallest of n values. Equal cuts go to the lowest; of one value, or equal ones, all are low.
    """
    ascending = values.double().sort(-1).values  # NaN last
    n = (~ascending.isnan()).sum(-1, keepdim=True)
    sums = ascending.nan_to_num(0).cumsum(-1)
    k = torch.arange(1, values.shape[-1] + 1, device=values.device)
    low, high = sums / k, (sums[:, -1:] - sums) / (n - k).clamp_min(1)
    between = torch.where(k < n, k * (n - k) * (low - high).square(), -1.0)
    return ascending.gather(-1, between.argmax(-1, keepdim=True)).to(values.dtype)
