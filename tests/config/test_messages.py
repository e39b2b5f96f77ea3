"""One fault, one line: its place, its key, what is wrong with it, and the nearest valid choice."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import TINY

ENTRIES = TINY[TINY.index("optimizers:") : TINY.index("seeds:")]
Put = Callable[..., Path]
Fault = Callable[..., str]


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


# One for each way in which a line is made.
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden", "hiden", "7: model.hiden: unknown key 'hiden'; did you mean 'hidden'?"),
        ("hidden", "zzz", "7: model.zzz: unknown key 'zzz'; choose from activation, hidden, kind"),
        ("kind: mlp", "kind: mpl", "6: model.kind: unknown kind 'mpl'; did you mean 'mlp'?"),
        (
            "data:",
            "data:\n  source: web",
            "4: data.source: unknown choice 'web'; choose from auto, embedded, official, own",
        ),
        ("    lr: 0.1\n", "", "12: optimizers.plain.lr: required, but not given"),
        ("draw: {per_class: 10}", "draw: 10", "4: data.draw: a section with keys is needed, got 10"),
        (
            "kind: dba",
            "kind: dba\n    metric: snrr",
            "17: optimizers.dynamic.metric: unknown metric 'snrr'; did you mean 'snr'?",
        ),
        (
            "kind: dba",
            "kind: dba\n    max_fraction: 0.1",
            "15: optimizers.dynamic: min_fraction 0.25 is above max_fraction 0.1; lower the one or raise the "
            "other",
        ),
        (
            "per_class: 10",
            "",
            "4: data.draw: give exactly one of fraction, per_class and indices (null removes one)",
        ),
        (
            "epochs: 2",
            "steps: 2\n  epochs: 1",
            "8: training: give exactly one of epochs and steps (null removes one)",
        ),
        ("seeds: [0, 1]", "seeds: [2, 1, 2]", "20: seeds: seeds must be distinct, got 2 more than once"),
        (
            "name: dynamic",
            "name: Plain",
            "11: optimizers: optimizer names must be distinct, got plain more than once",
        ),
        ("lr: 0.1", "lr: 1\n    nesterov: true", "12: optimizers.plain: nesterov needs a momentum above 0"),
        (
            "kind: sgd",
            "kind: LBFGS",
            "13: optimizers.plain.kind: LBFGS cannot be used: its step needs a closure that evaluates the "
            "loss anew; here a step has one gradient",
        ),
        (
            "kind: sgd",
            "kind: nowhere:Thing",
            "13: optimizers.plain.kind: optimizer 'nowhere:Thing': its module cannot be imported "
            "(ModuleNotFoundError: No module named 'nowhere'); install it or add its folder to PYTHONPATH",
        ),
    ],
)
def test_wording(put: Put, fault: Fault, tiny: str, old: str, new: str, message: str) -> None:
    assert fault(put(edited(tiny, old, new))) == f"c.yaml:{message}"


@pytest.mark.parametrize(
    ("old", "new", "place", "nearest"),
    [
        ("experiment:", "experimnt:", "1: experimnt", "experiment"),
        ("name: tiny", "name: tiny\n  paper: {test_acc: 1}", "3: experiment.paper.test_acc", "test_accuracy"),
        ("per_class", "perclass", "4: data.draw.perclass", "per_class"),
        ("batch_size: 50", "schedule:\n    warmup: 5", "11: training.schedule.warmup", "warmup_steps"),
        ("    lr: 0.1\n", "    lr: 0.1\n    momentun: 0\n", "15: optimizers.plain.momentun", "momentum"),
        ("      lr: 0.1", "      weightdecay: 0", "19: optimizers.dynamic.base.weightdecay", "weight_decay"),
        ("kind: sgd\n    lr", "kind: AdamW\n    amsgard", "14: optimizers.plain.amsgard", "amsgrad"),
        ("kind: dba\n", "kind: dba\n    rul: all\n", "17: optimizers.dynamic.rul", "rule"),
        ("kind: mlp", "kind: cnn\n  chanels: [5]", "7: model.chanels", "channels"),
        ("seeds:", "seed:", "20: seed", "seeds"),
        ("kind: sgd", "kind: sdg", "13: optimizers.plain.kind", "sgd"),
        ("kind: sgd", "kind: db", "13: optimizers.plain.kind", "dba"),
        ("      kind: sgd", "      kind: nadam", "18: optimizers.dynamic.base.kind", "NAdam"),
        ("kind: dba", "kind: dba\n    scope: layers", "17: optimizers.dynamic.scope", "layer"),
        ("kind: dba", "kind: dba\n    order: alignmnt", "17: optimizers.dynamic.order", "alignment"),
        ("kind: dba", "kind: dba\n    rule: prefx", "17: optimizers.dynamic.rule", "prefix"),
        ("hidden: [8]", "activation: rulu", "7: model.activation", "relu"),
    ],
)
def test_the_nearest_choice(
    put: Put, fault: Fault, tiny: str, old: str, new: str, place: str, nearest: str
) -> None:
    found = fault(put(edited(tiny, old, new)))
    assert found.startswith(f"c.yaml:{place}: unknown ")
    # Renaming a required key also leaves it missing; the unknown one is named, the other counted.
    assert found.partition(" (and ")[0].endswith(f"; did you mean {nearest!r}?")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        # the wrong type
        ("kind: mlp", "kind: 5", "6: model.kind"),
        ("kind: mlp", "kind: [mlp]", "6: model.kind"),
        ("hidden: [8]", "hidden: 8", "7: model.hidden"),
        ("hidden: [8]", "hidden:\n  - 8\n  - 8.5", "9: model.hidden.1"),
        ("hidden: [8]", "hidden: [true]", "7: model.hidden.0"),
        ("epochs: 2", "epochs: 2.0", "9: training.epochs"),
        ("batch_size: 50", "batch_size:", "10: training.batch_size"),
        ("lr: 0.1", "lr: high", "14: optimizers.plain.lr"),
        ("kind: sgd\n    lr: 0.1", "kind: AdamW\n    betas: [0.9]", "14: optimizers.plain.betas.1"),
        ("kind: sgd\n    lr: 0.1", "kind: Adafactor\n    eps: [a, 1]", "14: optimizers.plain.eps.0"),
        ("name: tiny", "name: 5", "2: experiment.name"),
        ("  draw: {per_class: 10}\n", "", "3: data"),
        ("seeds: [0, 1]", "seeds: 3", "20: seeds"),
        # what must be given
        ("  kind: mlp\n", "", "5: model.kind"),
        ("name: tiny", "description: x", "1: experiment.name"),
        ("seeds: [0, 1]", "", "1: seeds"),
        ("- name: plain\n    kind", "- kind", "12: optimizers.0.name"),
        ("\n      lr: 0.1", "", "17: optimizers.dynamic.base.lr"),
        # impossible values
        ("per_class: 10", "fraction: .nan", "4: data.draw.fraction"),
        ("hidden: [8]", "hidden: [8, 0]", "7: model.hidden.1"),
        ("batch_size: 50", "evaluation: {}", "10: training.evaluation"),
        ("lr: 0.1", f"lr: {'9' * 400}", "14: optimizers.plain.lr"),
        ("      lr: 0.1", "      lr: -1", "19: optimizers.dynamic.base.lr"),
        ("kind: sgd\n    lr: 0.1", "kind: RMSprop\n    lr: -1", "12: optimizers.plain"),
        ("kind: dba", "kind: dba\n    size: 0", "15: optimizers.dynamic"),
        ("seeds: [0, 1]", "seeds: [2147483648]", "20: seeds.0"),
        ("name: tiny", r'name: "a\n"', "2: experiment.name"),
        ("name: plain", "name: a/b", "12: optimizers.a/b.name"),
        # kinds that there are, but not here
        ("      kind: sgd", "      kind: dba", "18: optimizers.dynamic.base.kind"),
        ("kind: sgd", "kind: Optimizer", "13: optimizers.plain.kind"),
        ("kind: sgd", "kind: SparseAdam", "13: optimizers.plain.kind"),
        ("kind: sgd", "kind: torch.nn:Linear", "13: optimizers.plain.kind"),
        ("kind: mlp", "kind: torch.nn:Nothing", "6: model.kind"),
        # optimizers that are none
        *((ENTRIES, f"optimizers: {none}\n", "11: optimizers") for none in ["[]", "{}", "3"]),
        *((ENTRIES, f"optimizers: {none}\n", "11: optimizers.0") for none in ["[3]", "[null]"]),
        # long input, cut short
        ("name: tiny", f"? {'k' * 5000}\n  : 1", f"2: experiment.{'k' * 60}"),
        ("kind: mlp", f"kind: {'m' * 5000}", "6: model.kind"),
    ],
)
def test_places(put: Put, fault: Fault, tiny: str, old: str, new: str, place: str) -> None:
    found = fault(put(edited(tiny, old, new)))
    assert found.startswith(f"c.yaml:{place}: ")
    assert len(found) < 300


def test_other_faults_are_counted(put: Put, fault: Fault, tiny: str) -> None:
    text = edited(edited(tiny, "hidden: [8]", "hidden: []"), "epochs: 2", "epochs: 0")
    assert fault(put(text)).endswith(" (and 1 more)")


def test_what_cannot_be_printed_is_shown_escaped(put: Put, fault: Fault, tiny: str) -> None:
    found = fault(put(edited(tiny, "name: tiny", '"two\\nlines": tiny')))
    assert found.startswith("c.yaml:2: experiment.two\\nlines: unknown key 'two\\nlines'; choose from ")


def test_without_a_near_choice_all_are_listed(put: Put, fault: Fault, tiny: str) -> None:
    for key, names in [
        ("metric", {"diversity", "noise_scale", "norm", "snr", "variance"}),
        ("order", {"alignment", "distance", "norm", "projection"}),
        ("rule", {"all", "prefix", "random"}),
    ]:
        message = fault(put(edited(tiny, "kind: dba", f"kind: dba\n    {key}: QQQQ")))
        assert names <= set(re.findall(r"\w+", message))
