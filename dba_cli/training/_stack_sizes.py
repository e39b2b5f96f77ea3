"""Which runs are trained as one computation: those that are faster so."""

from dataclasses import dataclass

from torch import nn

from dba_cli.config import DBAConfig, OptimizerConfig, TrainingConfig
from dba_cli.method import STACKABLE_RULES
from dba_cli.training._stacked_network import layers_of

LARGEST_STACK = 5
"""Runs in one stack: more gain next to nothing, and their states do not stay in the cache."""

LARGEST_BATCH = 100
"""What was measured; the larger the batches, the less there is to share."""


@dataclass(frozen=True)
class _Pays:
    """Where benchmarks/stacked_seeds.py measures a gain of 1.5 over single runs, about 1.2 by sharing steps.

    In wider networks the matrix products are nearly all of a step. What the stack still gains there comes
    from the product that it uses, and single runs on that product are as fast.
    """

    fewest_runs: int
    most_parameters: int


# Adam alone is missing: its updates are bound by memory, and it gains 1.3 to 1.55.
_PAYS = {"sgd": _Pays(5, 160_000), "dba": _Pays(2, 640_000)}


def stack_sizes(entry: OptimizerConfig, model: nn.Module, training: TrainingConfig, seeds: int) -> list[int]:
    """Split ``seeds`` runs of one optimizer into stacks for `train_stacked`; 1 is a run for `train`.

    Runs are stacked where that was measured to be at least 1.5 times as fast, on the CPU. Never stacked is
    what `train_stacked` cannot do: other networks than fully connected ones, deformations, mixed precision,
    a trace of the selection, stratified selection, rules that search sample by sample or draw.
    """
    pays = _PAYS.get(entry.kind)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if pays is None or parameters > pays.most_parameters or not _can_stack(entry, model, training):
        return [1] * seeds
    full, rest = divmod(seeds, LARGEST_STACK)
    return [LARGEST_STACK] * full + ([rest] if rest >= pays.fewest_runs else [1] * rest)


def _can_stack(entry: OptimizerConfig, model: nn.Module, training: TrainingConfig) -> bool:
    if training.deformation is not None or training.precision != "float32" or training.trace:
        return False
    if (entry.batch_size or training.batch_size) > LARGEST_BATCH:
        return False
    if isinstance(entry, DBAConfig) and (entry.stratified or entry.rule not in STACKABLE_RULES):
        return False
    return layers_of(model) is not None and all(p.device.type == "cpu" for p in model.parameters())
