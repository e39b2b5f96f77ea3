"""Dynamic Batch Adaptation as a replacement for the backward pass."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from math import isfinite, nan
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ._compiled import allow_second_passes
from ._delivery import Delivery, deliver, mean_gradient, parameters_behind, scale_of
from ._layer_gradients import Gradients
from ._layers import NonFiniteError, require_finite
from ._limits import SizeLimits
from ._memory import Memory
from ._metrics import METRICS
from ._orders import ORDERS
from ._problem import SelectionProblem
from ._replicas import WholeProblem, give_up, refuse_sharded, static_reduction
from ._rules import RULES, everything, select_stratified, tilted
from ._selection import Selection
from ._tracing import Coupled, Tracer

Scope = Literal["layer", "model"]
Candidates = Literal["local", "global"]


class DynamicBatch:
    """Chooses, for every layer, the samples of a batch whose mean gradient the optimizer gets.

    Dynamic Batch Adaptation (Simionescu et al. 2022, arXiv 2208.00815) with exact per-sample gradients.
    It replaces the backward pass; model, loss and optimizer stay as they are:

        dba = DynamicBatch(model, metric="snr", order="alignment", min_fraction=0.25)
        losses = F.cross_entropy(model(x), y, reduction="none")
        selection = dba.backward(losses)  # instead of losses.mean().backward()
        optimizer.step()

    A layer is one module with its own parameters, weight and bias together; modules that share a parameter
    are one layer. The model may be anything that autograd differentiates; nothing is added to it.

    Args:
        model: the network, or the module that holds its parameters.
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
        remember: what is remembered of each sample for the rules and orders that ask, one of `REMEMBERED`:
            `backward` then needs the samples' indices.
        memory: share of what is remembered that a new value leaves, in [0, 1).
        class_relative: whether what is remembered is taken relative to the median of the sample's class;
            `backward` then needs the labels.
        upper_group: share of all samples that the upper of the rule's ``two_groups`` must have to be left
            out; with fewer, they are one group and kept.
        warmup_steps: number of steps, that is of calls of `backward`, that keep every sample; the memory
            fills meanwhile.
        tilt: exponent t of a factor ``exp(t * loss)`` of the weights of what is chosen, which then sum to 1
            again; below 0, large losses count less. With cross-entropy it is the label's probability to the
            power -t. It goes by the losses as they are given, but without a `torch.amp.GradScaler`'s scale.
        generator: source of random numbers for the rules that draw any; None is torch's global one.
        selection: among which samples the rule chooses where several processes train together:
            ``"local"``, each among its own, or ``"global"``, all among those of all processes, by norms and
            by projections on the mean gradient of the whole batch. The gradients are then scaled for the
            average over processes that DistributedDataParallel takes.
        check: after how many steps to prove anew which rows belong to which sample, and to compare the sum of
            the per-sample gradients with autograd's, at the cost of another backward pass; always done
            where the number of samples, shapes or uses of parameters are new. 0 compares never.
        coupled: what to do where samples are normalized by the statistics of their batch: ``"refuse"``, or
            ``"exact"`` for the derivative of each sample's loss with the coupling in it.

    Raises:
        ValueError: an unknown name, or a number outside its range.
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
        remember: str = "distance",
        memory: float = 0.7,
        class_relative: bool = True,
        upper_group: float = 0.0,
        warmup_steps: int = 0,
        tilt: float = 0.0,
        generator: torch.Generator | None = None,
        selection: Candidates = "local",
        check: int = 1000,
        coupled: Coupled = "refuse",
    ) -> None:
        for kind, value, choices in [
            ("scope", scope, get_args(Scope)),
            ("selection", selection, get_args(Candidates)),
            ("coupled", coupled, get_args(Coupled)),
        ]:
            if value not in choices:
                raise ValueError(f"unknown {kind} {value!r}; known: {', '.join(choices)}")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0, not {warmup_steps}")
        if not isfinite(tilt):
            raise ValueError(f"tilt must be a finite number, not {tilt}")
        self._tilt = tilt
        self._memory = Memory(remember, memory, class_relative, upper_group)
        self._warmup, self._steps = warmup_steps, 0
        self._problem_of = partial(
            SelectionProblem,
            metric=METRICS[metric],
            order=ORDERS[order],
            limits=SizeLimits(min_fraction, max_fraction, size, sizes),
            together=scope == "model",
            memory=self._memory,
            generator=generator,
        )
        self._rule = RULES[rule]
        self._stratified = stratified
        self._selection = selection
        self._model = model
        self._tracer = Tracer(model, check, coupled)
        allow_second_passes()

    def backward(
        self,
        losses: Tensor,
        *,
        labels: Tensor | None = None,
        indices: Tensor | None = None,
        reference: Tensor | None = None,
        beside: bool = False,
        retain_graph: bool = False,
    ) -> Selection:
        """Write the gradient of the selected samples into ``.grad``, adding to what is there.

        It goes through autograd's last step, as in a plain backward pass: parameters' hooks fire, and
        DistributedDataParallel averages. Where gradients overflow that a `torch.amp.GradScaler` has scaled,
        NaN is written and nothing is selected, so that the scaler skips the step.

        Args:
            losses: one loss per sample, (n,), each of its own sample (``reduction="none"``).
            labels: class of each sample, (n,), for stratified selection and for rules that look at them.
            indices: number of each sample in the training set, (n,) int64 from 0, for what is remembered of
                it; all copies of one sample have its number.
            reference: losses of trusted samples, (m,), from the same forward pass or another one, for orders
                and rules that compare with their mean gradient; they are no candidates.
            beside: whether the reference is trained on as well, as if each layer had chosen its samples
                beside those of the batch, each with the mean weight of these.
            retain_graph: whether the graph is needed again, as in `torch.Tensor.backward`.

        Returns:
            What was selected. Parameters that the losses do not depend on keep their ``.grad``.

        Raises:
            ValueError: losses, labels, indices or a reference of another shape or missing, or losses without
                graph; ``beside`` with ``selection="global"``.
            NonFiniteError: losses or per-sample gradients that are not finite (a ValueError too).
            RuntimeError: samples are coupled, a parameter that is not the model's, or gradients that
                contradict autograd's.
        """
        _require_losses(losses)
        if self._stratified and labels is None:
            raise ValueError("stratified selection needs the classes: backward(losses, labels=labels)")
        for name, values in (("labels", labels), ("indices", indices)):
            if values is not None and values.shape != losses.shape:
                raise ValueError(
                    f"{name} must have shape ({len(losses)},), one per loss, not {tuple(values.shape)}"
                )
        if reference is not None:
            _require_losses(reference, "losses of the reference")
        if beside and (reference is None or self._selection == "global"):
            raise ValueError("beside needs backward(losses, reference=their losses) and selection='local'")
        refuse_sharded(self._model)
        scale, meanwhile = scale_of(losses), static_reduction(losses)
        problem_of = partial(
            self._problem_of,
            losses=losses.detach() if scale is None else losses.detach() / scale,
            labels=labels,
            indices=indices,
            reference=None if reference is None else mean_gradient(reference),
        )
        device = losses.device.type
        mixed = torch.is_autocast_enabled(device)
        with torch.no_grad(), torch.autocast(device, enabled=False) if mixed else nullcontext():
            try:
                try:
                    _require_finite_losses(losses)
                    if reference is not None:
                        _require_finite_losses(reference, "losses of the reference")
                    layers, dtype = self._tracer.layers(losses, retain_graph=retain_graph)
                except NonFiniteError:
                    if self._selection == "global":  # Who raises alone leaves the others waiting.
                        give_up(losses)
                    raise
                problem = problem_of(layers=layers, dtype=dtype)
                selection, deliveries = self._selected(problem)
                if reference is not None and beside:
                    deliveries = _beside(deliveries, selection, problem, len(reference))
            except NonFiniteError:
                if scale is None:
                    raise
                parameters = parameters_behind(losses)
                deliveries = [(parameters, lambda: {p: torch.full_like(p, nan) for p in parameters})]
                problem = problem_of(layers=(), dtype=losses.dtype)
                selection = Selection({}, losses.new_empty(0, len(losses)), problem)
            deliver(deliveries, meanwhile)
        if selection.weights:  # else the scaler skips the step
            self._steps += 1
        return selection

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on beside the model: the steps made, and what is remembered."""
        return {"steps": self._steps, "memory": self._memory.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the state of another one with the same settings."""
        self._steps = int(state["steps"])
        self._memory.load_state_dict(state["memory"])

    def _selected(self, own: SelectionProblem) -> tuple[Selection, Sequence[Delivery]]:
        """What the rule selects, and for each layer what makes its gradient."""
        problem = own if self._selection == "local" else WholeProblem.of(own)
        weights = select_stratified(self._rule, problem) if self._stratified else self._rule(problem)
        if self._steps < self._warmup:
            weights = everything(problem)
        if self._tilt:
            weights = tilted(weights, problem.losses, self._tilt)
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


def _given(gradients: Gradients) -> Gradients:
    return gradients


def _beside(
    deliveries: Sequence[Delivery], selection: Selection, problem: SelectionProblem, trusted: int
) -> list[Delivery]:
    """The same with the reference's gradient, which counts as so many samples beside those chosen."""
    sizes = selection.sizes

    def of_both(make: Callable[[], Gradients], reference: Gradients, share: float) -> Gradients:
        return {p: gradient.lerp(reference[p].to(gradient.dtype), share) for p, gradient in make().items()}

    shares = [trusted / (trusted + sizes[layer.names[0]]) for layer in problem.layers]
    return [
        (parameters, partial(of_both, make, reference, share))
        for (parameters, make), reference, share in zip(deliveries, problem.references, shares, strict=True)
    ]


def _require_losses(losses: Tensor, name: str = "losses") -> None:
    if losses.ndim != 1 or not len(losses):
        raise ValueError(
            f"{name} must have shape (n,) with n >= 1, one per sample, not {tuple(losses.shape)}; "
            'compute the loss with reduction="none"'
        )
    if losses.grad_fn is None:
        raise ValueError(f"{name} have no graph: compute them from the model's output, with gradients")


def _require_finite_losses(losses: Tensor, name: str = "losses") -> None:
    if losses.device.type == "cpu" and not (isfinite(losses.detach().sum()) or losses.isfinite().all()):
        bad = (~losses.isfinite()).nonzero().flatten().tolist()
        raise NonFiniteError(f"{name} must be finite; those of samples {bad[:8]} of {len(losses)} are not")
