"""Dynamic Batch Adaptation as a replacement for the backward pass."""

from collections.abc import Sequence
from functools import partial
from math import isfinite, nan
from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn

from ._capture import Trace, layers_of, own_parameters, record_call, trace
from ._check import check_layers
from ._delivery import Delivery, deliver, is_scaled, parameters_behind
from ._layer_gradients import Gradients
from ._layers import NonFiniteError, layers_behind, require_finite
from ._limits import SizeLimits
from ._metrics import METRICS
from ._orders import ORDERS
from ._problem import SelectionProblem
from ._replicas import WholeProblem, refuse_sharded, static_reduction
from ._rules import RULES, select_stratified
from ._selection import Selection

Scope = Literal["layer", "model"]
Check = Literal["first", "always", "never"]
Candidates = Literal["local", "global"]


class DynamicBatch:
    """Chooses, for every layer, the samples of a batch whose mean gradient the optimizer gets.

    Dynamic Batch Adaptation (Simionescu et al. 2022, arXiv 2208.00815) with exact per-sample gradients.
    It replaces the backward pass; model, loss and optimizer stay as they are::

        dba = DynamicBatch(model, metric="snr", order="alignment", min_fraction=0.25)
        losses = F.cross_entropy(model(x), y, reduction="none")
        selection = dba.backward(losses)  # instead of losses.mean().backward()
        optimizer.step()

    A layer is one module with its own parameters, weight and bias together; modules that share a parameter
    are one layer. The first axis of every layer's output is the axis of samples.

    Args:
        model: the network; its modules are watched by forward hooks until `detach`.
        metric: what a subset is judged by, one of `METRICS`.
        order: how samples are sorted before prefixes are compared, one of `ORDERS`.
        min_fraction: smallest fraction of the batch that is kept, in [0, 1]; one sample at least.
        max_fraction: largest fraction of the batch that is kept, in (0, 1].
        size: number of samples that is kept, instead of the fractions.
        sizes: how many sizes the rules ``prefix`` and ``random`` try, evenly from the smallest to the
            largest; None tries every one.
        scope: ``"layer"`` selects for every layer separately (the paper), ``"model"`` once for all layers,
            from the sum of their Gram matrices.
        rule: how subsets are searched, one of `RULES`.
        stratified: whether the rule is applied within every class, so that each keeps its share of the
            weights; `backward` then needs the labels.
        generator: source of random numbers for the rules that draw any; None is torch's global one.
        selection: among which samples the rule chooses where several processes train together:
            ``"local"``, each among its own, or ``"global"``, all among those of all processes, by norms and
            by projections on the mean gradient of the whole batch. The gradients are then scaled for the
            average over processes that DistributedDataParallel takes.
        check: when to compare the sum of the per-sample gradients with autograd's gradient, at the cost of
            one more backward pass: in the ``"first"`` call of `backward`, ``"always"`` or ``"never"``.

    Raises:
        ValueError: an unknown name, a fraction outside [0, 1], or a module that takes sequences first.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        metric: str = "snr",
        order: str = "alignment",
        min_fraction: float = 0.25,
        max_fraction: float = 1.0,
        size: int | None = None,
        sizes: int | None = None,
        scope: Scope = "layer",
        rule: str = "prefix",
        stratified: bool = False,
        generator: torch.Generator | None = None,
        selection: Candidates = "local",
        check: Check = "first",
    ) -> None:
        for kind, value, choices in [
            ("scope", scope, get_args(Scope)),
            ("selection", selection, get_args(Candidates)),
            ("check", check, get_args(Check)),
        ]:
            if value not in choices:
                raise ValueError(f"unknown {kind} {value!r}; known: {', '.join(choices)}")
        self._problem_of = partial(
            SelectionProblem,
            metric=METRICS[metric],
            order=ORDERS[order],
            limits=SizeLimits(min_fraction, max_fraction, size, sizes),
            together=scope == "model",
            generator=generator,
        )
        self._rule = RULES[rule]
        self._stratified = stratified
        self._selection = selection
        self._check = check
        self._model = model
        self._names: dict[nn.Module, str] = {}
        for name, module in layers_of(model):
            self._names.setdefault(module, name)  # a module in two places goes by its first name
        for name, module in model.named_modules():
            if getattr(module, "batch_first", True) is False:
                raise ValueError(
                    f"module {name!r} ({type(module).__name__}) takes sequences before samples; the first "
                    "axis must be the axis of samples: build it with batch_first=True"
                )
        self._handles = [
            module.register_forward_hook(record_call, with_kwargs=True) for module in self._names
        ]

    def backward(
        self, losses: Tensor, *, labels: Tensor | None = None, retain_graph: bool = False
    ) -> Selection:
        """Write the gradient of the selected samples into ``.grad``, adding to what is there.

        It goes through autograd's last step, as in a plain backward pass: parameters' hooks fire, and
        DistributedDataParallel averages. Where gradients overflow that a `torch.amp.GradScaler` has scaled,
        NaN is written and nothing is selected, so that the scaler skips the step.

        Args:
            losses: one loss per sample, (n,), each of its own sample (``reduction="none"``).
            labels: class of each sample, (n,), for stratified selection and for rules that look at them.
            retain_graph: whether the graph is needed again, as in `torch.Tensor.backward`.

        Returns:
            What was selected. Parameters that the losses do not depend on keep their ``.grad``.

        Raises:
            ValueError: losses or labels of another shape, or losses without graph.
            NonFiniteError: losses or per-sample gradients that are not finite (a ValueError too).
            RuntimeError: a layer has no per-sample gradients, or they contradict autograd.
        """
        _require_losses(losses)
        if self._stratified and labels is None:
            raise ValueError("stratified selection needs the classes: backward(losses, labels=labels)")
        if labels is not None and labels.shape != losses.shape:
            raise ValueError(
                f"labels must have shape ({len(losses)},), one per loss, not {tuple(labels.shape)}"
            )
        refuse_sharded(self._model)
        scaled, meanwhile = is_scaled(losses), static_reduction(losses)
        with torch.no_grad(), torch.autocast(losses.device.type, enabled=False):
            try:
                if self._selection == "local":  # The others shall hear of it, too.
                    _require_finite_losses(losses)
                problem = self._problem(
                    self._trace(losses, keep=retain_graph), losses, labels, retain_graph=retain_graph
                )
                selection, deliveries = self._selected(problem)
            except NonFiniteError:
                if not scaled:
                    raise
                parameters = parameters_behind(losses)
                deliveries = [(parameters, lambda: {p: torch.full_like(p, nan) for p in parameters})]
                problem = self._problem_of(
                    layers=(), losses=losses.detach(), labels=labels, dtype=losses.dtype
                )
                selection = Selection({}, losses.new_empty(0, len(losses)), problem)
            deliver(deliveries, meanwhile)
        return selection

    def detach(self) -> None:
        """Stop watching the model; afterwards it has no hook of this object left. May be called again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()

    def _selected(self, own: SelectionProblem) -> tuple[Selection, Sequence[Delivery]]:
        """What the rule selects, and for each layer what makes its gradient."""
        problem = own if self._selection == "local" else WholeProblem.of(own)
        weights = select_stratified(self._rule, problem) if self._stratified else self._rule(problem)
        layers, square_mean = problem.layers, None
        rows = [0] * len(layers) if problem.together else range(len(layers))
        named = {name: row for row, layer in zip(rows, layers, strict=True) for name in layer.names}
        if isinstance(problem, WholeProblem):
            weights = problem.agreed(weights)
            mine = problem.mine(weights)
        else:
            mine = weights
        deliveries: list[Delivery] = [
            (layer.gradients.parameters, partial(layer.gradients.weighted_sum, mine[row]))
            for row, layer in zip(rows, layers, strict=True)
        ]
        if problem is own and not problem.made("gram"):
            made = [(parameters, make()) for parameters, make in deliveries]
            squares = [[g.flatten().dot(g.flatten()) for g in found.values()] for _, found in made]
            square_mean = torch.stack([torch.stack(found).sum() for found in squares])
            require_finite(square_mean, layers)  # the rule may not have looked at the gradients
            if problem.together:
                square_mean = square_mean.sum(0, keepdim=True)
            deliveries = [(parameters, partial(_given, found)) for parameters, found in made]
        return Selection(named, weights, problem, square_mean), deliveries

    def _trace(self, losses: Tensor, *, keep: bool) -> Trace:
        assert losses.grad_fn is not None
        found = trace(losses.grad_fn, keep=keep)
        watched = {call.module for call, _, _ in found.places} & self._names.keys()
        explained = {p for module in watched for p in own_parameters(module).values()}
        for parameter in found.parameters:
            if parameter not in explained:
                own = {p: f"parameter {name!r}" for name, p in self._model.named_parameters()}
                foreign = f"a parameter of shape {tuple(parameter.shape)} that is not the model's"
                raise RuntimeError(
                    f"{own.get(parameter, foreign)} enters the losses outside any watched module call; use "
                    "it through its module, and create DynamicBatch before the forward pass"
                )
        return found

    def _problem(
        self, found: Trace, losses: Tensor, labels: Tensor | None, *, retain_graph: bool
    ) -> SelectionProblem:
        checking = self._check != "never"
        dtype = torch.float64 if torch.float64 in {p.dtype for p in found.parameters} else torch.float32
        ones, keep = torch.ones_like(losses), retain_graph or checking
        # Asked for outputs only, autograd computes no weight gradient.
        gradients = torch.autograd.grad(losses, found.edges, ones, retain_graph=keep, allow_unused=True)
        layers = layers_behind(found, gradients, self._names, len(losses), dtype)
        if checking:
            low = any(g is not None and g.dtype.itemsize < 4 for g in gradients)
            check_layers(
                losses, layers, found.parameters, dtype=dtype, low_precision=low, retain_graph=retain_graph
            )
            if self._check == "first":
                self._check = "never"
        return self._problem_of(layers=layers, losses=losses.detach(), labels=labels, dtype=dtype)


def _given(gradients: Gradients) -> Gradients:
    return gradients


def _require_losses(losses: Tensor) -> None:
    if losses.ndim != 1 or not len(losses):
        raise ValueError(
            f"losses must have shape (n,) with n >= 1, one per sample, not {tuple(losses.shape)}; "
            'compute the loss with reduction="none"'
        )
    if losses.grad_fn is None:
        raise ValueError("losses have no graph: compute them from the model's output, with gradients")


def _require_finite_losses(losses: Tensor) -> None:
    if losses.device.type == "cpu" and not (isfinite(losses.detach().sum()) or losses.isfinite().all()):
        bad = (~losses.isfinite()).nonzero().flatten().tolist()
        raise NonFiniteError(f"losses must be finite; those of samples {bad[:8]} of {len(losses)} are not")
