"""The training steps that are compared: one function each from (inputs, labels) to an updated model.

``dba`` and the peers make the same selection from the same batch: the best prefix by ``snr`` in the order of
alignment, at least a quarter of the samples, for each layer separately. The peers get their per-sample
gradients from their own library, multiply them to Gram matrices and hand those to the package's own rule;
what they are measured by is where the gradients come from. Opacus' fast gradient clipping forms no gradients;
it offers norms of the whole network's and one weighted sum, and stands beside the rule that needs the same.
"""

# ruff: noqa: D102 - what `prepare` and the others do is said once, in `Contestant`.
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method import (
    METRICS,
    ORDERS,
    RULES,
    Explicit,
    SelectionProblem,
    SizeLimits,
    use_fast_products,
)
from dba_cli.method._layers import Layer

MIN_FRACTION = 0.25


class Contestant:
    """A model with its optimizer and its way to make a gradient.

    Calling it takes one whole training step and returns the weights of the samples, by module.
    """

    def __init__(self, model: nn.Module, losses: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.losses = losses
        self.model = self.prepare(deepcopy(model))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)

    def prepare(self, model: nn.Module) -> nn.Module:
        """Make the model fit for the library."""
        return model

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Write ``.grad``."""
        raise NotImplementedError

    def __call__(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Take one training step."""
        self.optimizer.zero_grad()
        weights = self.gradient(x, y)
        self.optimizer.step()
        return weights


class PlainOnBlas(Contestant):
    """An ordinary training step on the mean loss, as plain PyTorch makes it."""

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        self.losses(self.model(x), y).mean().backward()
        return {}


class Plain(PlainOnBlas):
    """The same on the product that the trainer's Linear layers use."""

    def prepare(self, model: nn.Module) -> nn.Module:
        use_fast_products(model)
        return model


class Dba(Contestant):
    """The package."""

    fast, settings = True, {"metric": "snr", "order": "alignment", "min_fraction": MIN_FRACTION}

    def prepare(self, model: nn.Module) -> nn.Module:
        if self.fast:
            use_fast_products(model)
        self.dba = DynamicBatch(model, **self.settings)
        return model

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return self.dba.backward(self.losses(self.model(x), y)).weights


class DbaOnBlas(Dba):
    """The package without oneDNN's product: only what plain PyTorch itself multiplies Linear layers with."""

    fast = False

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        with without_onednn_products():
            return super().gradient(x, y)


def by_rule(rule: str, **settings: object) -> type[Contestant]:
    """The package with another rule, at least a quarter of the samples."""
    return type("DbaByRule", (Dba,), {"settings": {"min_fraction": MIN_FRACTION, "rule": rule, **settings}})


class Materialised(Contestant):
    """Selection from materialised per-sample gradients, the way it is done with the peers."""

    def sample_gradients(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Parameter name to per-sample gradients of the summed loss, (n, *shape)."""
        raise NotImplementedError

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        found = self.sample_gradients(x, y)
        parameters = dict(self.model.named_parameters())
        layers: dict[str, list[str]] = {}
        for name in found:
            layers.setdefault(name.rpartition(".")[0], []).append(name)
        with torch.no_grad():
            problem = SelectionProblem(
                layers=[
                    Layer((name,), Explicit({parameters[p]: found[p] for p in names}))
                    for name, names in layers.items()
                ],
                losses=x.new_zeros(len(x)),  # the rule does not look at them
                metric=METRICS["snr"],
                order=ORDERS["alignment"],
                limits=SizeLimits(MIN_FRACTION),
                dtype=torch.float32,
            )
            weights = dict(zip(layers, RULES["prefix"](problem), strict=True))
            for layer, names in layers.items():
                for name in names:
                    parameters[name].grad = torch.tensordot(weights[layer], found[name], 1)
        return weights


class Vmap(Materialised):
    """torch.func: vmap of grad of the functional call."""

    def sample_gradients(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        parameters = {name: p.detach() for name, p in self.model.named_parameters()}

        def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            output = torch.func.functional_call(self.model, parameters, (x.unsqueeze(0),))
            return self.losses(output, y.unsqueeze(0)).sum()

        with quiet():
            return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, x, y)


class Opacus(Materialised):
    """Opacus: GradSampleModule."""

    def prepare(self, model: nn.Module) -> nn.Module:
        from opacus import GradSampleModule

        self.wrapped = GradSampleModule(model, loss_reduction="sum")
        return model

    def sample_gradients(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        with quiet():
            self.losses(self.wrapped(x), y).sum().backward()
        found = {name: p.grad_sample for name, p in self.model.named_parameters()}
        for parameter in self.model.parameters():
            parameter.grad_sample = None
        return found


class OpacusClipping(Contestant):
    """Opacus: GradSampleModuleFastGradientClipping, two backward passes, samples weighted by their norms."""

    def prepare(self, model: nn.Module) -> nn.Module:
        from opacus.grad_sample import GradSampleModuleFastGradientClipping

        self.wrapped = GradSampleModuleFastGradientClipping(model, loss_reduction="mean")
        return model

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        with quiet():
            losses = self.losses(self.wrapped(x), y)
            losses.mean().backward(retain_graph=True)
            self.optimizer.zero_grad()
            weights = self.wrapped.get_clipping_coef() / len(x)
            self.wrapped.disable_hooks()
            (weights * losses).sum().backward()
            self.wrapped.enable_hooks()
        return {"": weights}


class Backpack(Materialised):
    """BackPACK: the BatchGrad extension."""

    def prepare(self, model: nn.Module) -> nn.Module:
        from backpack import extend

        self.loss = extend(nn.CrossEntropyLoss(reduction="sum"))
        return extend(model)

    def sample_gradients(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        from backpack import backpack
        from backpack.extensions import BatchGrad

        with quiet(), backpack(BatchGrad()):
            self.loss(self.model(x), y).backward()
        found = {name: p.grad_batch for name, p in self.model.named_parameters()}
        for parameter in self.model.parameters():
            del parameter.grad_batch
        return found


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the peers' remarks, on data without gradient and on slow batching rules, off the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing|There is a performance drop")
        yield


def without_onednn_products() -> AbstractContextManager[Any]:
    """Make the package multiply with what ``@`` uses; nothing else changes."""
    return patch("dba_cli.method._products._onednn_works", lambda: False)


SAME_QUANTITY = "dba: top_k by norm, scope model"
CLIPPING = "opacus, fast clipping"
CONTESTANTS: dict[str, type[Contestant]] = {
    "plain": Plain,
    "plain (BLAS)": PlainOnBlas,
    "dba": Dba,
    "dba (BLAS)": DbaOnBlas,
    "vmap": Vmap,
    "opacus": Opacus,
    "backpack": Backpack,
    CLIPPING: OpacusClipping,
    SAME_QUANTITY: by_rule("top_k", order="norm", scope="model"),
    "dba: all": by_rule("all"),
    "dba: random, size n/4": by_rule("random", max_fraction=MIN_FRACTION),
    "dba: top_k by norm": by_rule("top_k", order="norm"),
    "dba: top_k by projection": by_rule("top_k", order="projection"),
    "dba: prefix, size n/4": by_rule("prefix", max_fraction=MIN_FRACTION),
    "dba: prefix, sizes=32": by_rule("prefix", sizes=32),
    "dba: prefix, every size": by_rule("prefix"),
    "dba: greedy": by_rule("greedy"),
    "dba: gradmatch": by_rule("gradmatch"),
    "dba: facility_location": by_rule("facility_location"),
}
BY_RULE = [name for name in CONTESTANTS if name.startswith("dba: ") and name != SAME_QUANTITY]
