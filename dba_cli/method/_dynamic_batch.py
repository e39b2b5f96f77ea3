"""Dynamic Batch Adaptation as a replacement for the backward pass."""

from types import TracebackType
from typing import Literal, Self

import torch
from torch import Tensor, nn

from ._capture import Call, Trace, trace, watch
from ._layers import SAMPLERS, LayerGradients
from ._metrics import METRICS
from ._orders import ORDERS
from ._problem import SelectionProblem, SizeLimits
from ._rules import RULES
from ._selection import Selection

Scope = Literal["layer", "model"]


class DynamicBatch:
    """Chooses, for every layer, the samples of a batch whose mean gradient the optimizer gets.

    Dynamic Batch Adaptation (Simionescu et al. 2022, arXiv 2208.00815) with exact per-sample gradients.
    It replaces the backward pass; model, loss and optimizer stay as they are::

        dba = DynamicBatch(model, metric="snr", order="alignment", min_fraction=0.25)
        losses = F.cross_entropy(model(x), y, reduction="none")
        selection = dba.backward(losses)  # instead of losses.mean().backward()
        optimizer.step()

    A layer is one module with its own parameters, weight and bias together. The first axis of every
    module's input is the axis of samples.

    Args:
        model: the network; its modules are watched by forward hooks until `detach`.
        metric: what a subset is judged by, one of `metric_names()`.
        order: how samples are sorted before prefixes are compared, one of `order_names()`.
        min_fraction: smallest fraction of the batch that is kept, in [0, 1]; one sample at least.
        scope: ``"layer"`` selects for every layer separately (the paper), ``"model"`` once for all layers,
            from the sum of their Gram matrices.
        rule: how subsets are searched, one of `rule_names()`.
        generator: source of random numbers for the rules that draw any; None is torch's global one.

    Raises:
        ValueError: an unknown name or a fraction outside [0, 1].
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        metric: str = "snr",
        order: str = "alignment",
        min_fraction: float = 0.25,
        scope: Scope = "layer",
        rule: str = "prefix",
        generator: torch.Generator | None = None,
    ) -> None:
        if scope not in ("layer", "model"):
            raise ValueError(f"unknown scope {scope!r}; known: layer, model")
        self._metric = METRICS[metric]
        self._order = ORDERS[order]
        self._rule = RULES[rule]
        self._limits = SizeLimits(min_fraction)
        self._scope = scope
        self._generator = generator
        self._model = model
        self._names = {m: name for name, m in model.named_modules() if m._parameters}
        for module, name in self._names.items():
            if type(module) not in SAMPLERS:
                raise ValueError(f"module {name!r} ({type(module).__name__}) is not supported yet")
        self._handles = [watch(m) for m in self._names]

    def backward(self, losses: Tensor) -> Selection:
        """Write the gradient of the selected samples into ``.grad``, adding to what is there.

        Args:
            losses: one loss per sample, (n,), the sample axis of the forward pass kept
                (``reduction="none"``).

        Returns:
            What was selected. Parameters that the losses do not depend on keep their ``.grad``.

        Raises:
            ValueError: losses of another shape or without graph, or not finite, or a layer whose per-sample
                gradients are not finite.
            RuntimeError: the gradient of a parameter cannot be told apart by samples.
        """
        found = self._trace(losses)
        with torch.no_grad():
            layers = self._layer_gradients(found, losses)
            names = [name for name in self._names.values() if name in layers]
            gram = losses.new_empty(len(names), len(losses), len(losses), dtype=self._gram_dtype(found))
            for row, name in enumerate(names):
                layers[name].write_gram(gram[row])
            _require_finite(gram, names)
            if self._scope == "model":
                gram = gram.sum(0, keepdim=True)
            smallest, largest = self._limits.bounds(len(losses))
            weights = self._rule(
                SelectionProblem(gram, self._metric, self._order, smallest, largest, self._generator)
            )
            rows = {name: row if self._scope == "layer" else 0 for row, name in enumerate(names)}
            for name in names:
                for parameter, gradient in layers[name].weighted_sum(weights[rows[name]]).items():
                    _accumulate(parameter, gradient)
            return Selection(rows, weights, gram, self._metric)

    def detach(self) -> None:
        """Stop watching the model; afterwards it has no hook of this object left. May be called again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.detach()

    def _trace(self, losses: Tensor) -> Trace:
        if losses.ndim != 1 or not len(losses):
            raise ValueError(
                f"losses must have shape (n,) with n >= 1, one per sample, not {tuple(losses.shape)}; "
                'compute the loss with reduction="none"'
            )
        if losses.grad_fn is None:
            raise ValueError(
                "losses have no graph: compute them from the model's output with gradients enabled"
            )
        if losses.device.type == "cpu" and not losses.isfinite().all():
            bad = (~losses.isfinite()).nonzero().flatten().tolist()
            raise ValueError(
                f"losses must be finite, but those of samples {bad[:8]} of {len(losses)} are not"
            )
        found = trace(losses.grad_fn)
        explained = {id(p) for call in found.calls for p in call.module._parameters.values()}
        for leaf in found.leaves:
            if id(leaf) not in explained and isinstance(leaf, nn.Parameter):
                raise RuntimeError(
                    f"{self._describe(leaf)} enters the losses outside any watched module call; use it through "
                    "its module, and create DynamicBatch before the forward pass"
                )
        return found

    def _layer_gradients(self, found: Trace, losses: Tensor) -> dict[str, LayerGradients]:
        # Asked for outputs only, autograd computes no weight gradient.
        gradients = torch.autograd.grad(losses, found.edges, torch.ones_like(losses), allow_unused=True)
        layers: dict[str, LayerGradients] = {}
        for call, gradient in zip(found.calls, gradients, strict=True):
            name = self._names[call.module]
            if name in layers:
                raise RuntimeError(f"module {name!r} is called more than once, which is not supported yet")
            layers[name] = self._sample(name, call, gradient, len(losses))
        return layers

    def _sample(self, name: str, call: Call, gradient: Tensor, n: int) -> LayerGradients:
        if gradient.shape[0] != n:
            raise RuntimeError(
                f"module {name!r} gave an output of shape {tuple(gradient.shape)} for {n} losses; its first "
                "axis must be the axis of samples"
            )
        if gradient.ndim != 2:
            raise RuntimeError(
                f"module {name!r} has an output of {gradient.ndim} axes, which is not supported yet"
            )
        return SAMPLERS[type(call.module)](call, gradient)

    def _gram_dtype(self, found: Trace) -> torch.dtype:
        double = any(p.dtype == torch.float64 for p in found.leaves)
        return torch.float64 if double else torch.float32

    def _describe(self, leaf: Tensor) -> str:
        for name, parameter in self._model.named_parameters():
            if parameter is leaf:
                return f"parameter {name!r}"
        return f"a parameter of shape {tuple(leaf.shape)} that is not the model's"


def _accumulate(parameter: nn.Parameter, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient.to(parameter.dtype)
    else:
        parameter.grad += gradient


def _require_finite(gram: Tensor, names: list[str]) -> None:
    if gram.device.type != "cpu":
        return  # The check would wait for the device; NaN and inf pass on as in plain training.
    square_norms = gram.diagonal(dim1=-2, dim2=-1)
    if not square_norms.isfinite().all():
        row, sample = (~square_norms.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"the gradient of module {names[row]!r} is not finite or overflows when squared, first for "
            f"sample {sample} of {gram.shape[-1]}; lower the learning rate or look at that sample"
        )
