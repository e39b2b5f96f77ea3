"""One fault, one line: its place, its key, what is wrong with it, and the nearest valid choice."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

Put = Callable[..., Path]
Fault = Callable[..., str]

DBA_KEYS = (
    "base, batch_size, kind, max_fraction, metric, min_fraction, name, order, rule, scope, size, stratified"
)


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


GE = "input should be greater than or equal to"
LE = "input should be less than or equal to"
NAME = "string should match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]*$', got"
EMPTY = "list should have at least 1 item after validation, not 0, got []"
EPOCHS_OR_STEPS = "give exactly one of epochs and steps (null removes one)"
FRACTION_OR_CLASS = "give exactly one of fraction and per_class (null removes one)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "experiment:",
            "experimnt:",
            "c.yaml:1: experimnt: unknown key 'experimnt'; did you mean 'experiment'?",
        ),
        ("name: tiny", "nam: tiny", "c.yaml:2: experiment.nam: unknown key 'nam'; did you mean 'name'?"),
        (
            "name: tiny",
            "name: tiny\n  paper: {test_acc: 1}",
            "c.yaml:3: experiment.paper.test_acc: unknown key 'test_acc'; did you mean 'test_accuracy'?",
        ),
        ("draw:", "drow:", "c.yaml:4: data.drow: unknown key 'drow'; did you mean 'draw'?"),
        (
            "per_class",
            "perclass",
            "c.yaml:4: data.draw.perclass: unknown key 'perclass'; did you mean 'per_class'?",
        ),
        ("hidden", "hiden", "c.yaml:7: model.hiden: unknown key 'hiden'; did you mean 'hidden'?"),
        (
            "hidden",
            "zzz",
            "c.yaml:7: model.zzz: unknown key 'zzz'; choose from activation, hidden, kind",
        ),
        (
            "batch_size",
            "batchsize",
            "c.yaml:10: training.batchsize: unknown key 'batchsize'; did you mean 'batch_size'?",
        ),
        (
            "batch_size: 50",
            "schedule:\n    warmup: 5",
            "c.yaml:11: training.schedule.warmup: unknown key 'warmup'; did you mean 'warmup_steps'?",
        ),
        (
            "batch_size: 50",
            "evaluation: {epoch: 5}",
            "c.yaml:10: training.evaluation.epoch: unknown key 'epoch'; did you mean 'epochs'?",
        ),
        (
            "    lr: 0.1\n",
            "    lr: 0.1\n    momentun: 0\n",
            "c.yaml:15: optimizers.plain.momentun: unknown key 'momentun'; did you mean 'momentum'?",
        ),
        (
            "    kind: dba\n",
            "    kind: dba\n    lr: 0.1\n",
            f"c.yaml:17: optimizers.dynamic.lr: unknown key 'lr'; choose from {DBA_KEYS}",
        ),
        (
            "      lr: 0.1",
            "      lr: 0.1\n      weightdecay: 0",
            "c.yaml:20: optimizers.dynamic.base.weightdecay: unknown key 'weightdecay'; "
            "did you mean 'weight_decay'?",
        ),
        (
            "      lr: 0.1",
            "      lr: 0.1\n      name: x",
            "c.yaml:20: optimizers.dynamic.base.name: unknown key 'name'; "
            "choose from kind, lr, momentum, nesterov, weight_decay",
        ),
        ("seeds:", "seed:", "c.yaml:20: seed: unknown key 'seed'; did you mean 'seeds'?"),
        (
            "kind: mlp",
            "kind: cnn\n  cnn: 5",
            "c.yaml:7: model.cnn: unknown key 'cnn'; choose from activation, channels, kind",
        ),
        (
            "name: tiny",
            '"two\\nlines": tiny',
            "c.yaml:2: experiment.two\\nlines: unknown key 'two\\nlines'; "
            "choose from description, name, paper",
        ),
    ],
)
def test_unknown_keys(put: Put, fault: Fault, tiny: str, old: str, new: str, message: str) -> None:
    found = fault(put(edited(tiny, old, new)))
    # Renaming a required key also leaves it missing; the unknown one is named, the other counted.
    assert found.partition(" (and ")[0] == message


def test_other_faults_are_counted(put: Put, fault: Fault, tiny: str) -> None:
    text = edited(edited(tiny, "hidden: [8]", "hidden: []"), "epochs: 2", "epochs: 0")
    message = f"c.yaml:7: model.hidden: {EMPTY} (and 1 more)"
    assert fault(put(text)) == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # a choice that there is not
        ("kind: mlp", "kind: mpl", "c.yaml:5: model: unknown kind 'mpl'; did you mean 'mlp'?"),
        ("kind: mlp", "kind: 5", "c.yaml:5: model: unknown kind '5'; choose from cnn, mlp"),
        ("kind: mlp", "kind: [mlp]", "c.yaml:5: model: unknown kind \"['mlp']\"; did you mean 'mlp'?"),
        ("  kind: mlp\n", "", "c.yaml:5: model: required key 'kind' is not given"),
        ("kind: sgd", "kind: sdg", "c.yaml:12: optimizers.plain: unknown kind 'sdg'; did you mean 'sgd'?"),
        (
            "kind: sgd",
            "kind: rmsprop",
            "c.yaml:12: optimizers.plain: unknown kind 'rmsprop'; choose from adam, dba, sgd",
        ),
        (
            "      kind: sgd",
            "      kind: dba",
            "c.yaml:17: optimizers.dynamic.base: unknown kind 'dba'; choose from adam, sgd",
        ),
        (
            "data:",
            "data:\n  dataset: minst",
            "c.yaml:4: data.dataset: unknown choice 'minst'; did you mean 'mnist'?",
        ),
        (
            "data:",
            "data:\n  dataset: 5",
            "c.yaml:4: data.dataset: unknown choice 5; choose from fashion_mnist, kmnist, mnist",
        ),
        (
            "data:",
            "data:\n  source: web",
            "c.yaml:4: data.source: unknown choice 'web'; choose from auto, embedded, official",
        ),
        (
            "hidden: [8]",
            "activation: rulu",
            "c.yaml:7: model.activation: unknown choice 'rulu'; did you mean 'relu'?",
        ),
        (
            "kind: dba",
            "kind: dba\n    scope: layers",
            "c.yaml:17: optimizers.dynamic.scope: unknown choice 'layers'; did you mean 'layer'?",
        ),
        # the wrong type
        ("hidden: [8]", "hidden: 8", "c.yaml:7: model.hidden: input should be a valid list, got 8"),
        (
            "hidden: [8]",
            "hidden: ['8']",
            "c.yaml:7: model.hidden.0: input should be a valid integer, got '8'",
        ),
        (
            "hidden: [8]",
            "hidden:\n  - 8\n  - 8.5",
            "c.yaml:9: model.hidden.1: input should be a valid integer, got 8.5",
        ),
        (
            "hidden: [8]",
            "hidden: [true]",
            "c.yaml:7: model.hidden.0: input should be a valid integer, got True",
        ),
        ("epochs: 2", "epochs: 2.0", "c.yaml:9: training.epochs: input should be a valid integer, got 2.0"),
        (
            "batch_size: 50",
            "batch_size: yes",
            "c.yaml:10: training.batch_size: input should be a valid integer, got 'yes'",
        ),
        (
            "batch_size: 50",
            "batch_size:",
            "c.yaml:10: training.batch_size: input should be a valid integer, got None",
        ),
        ("lr: 0.1", "lr: high", "c.yaml:14: optimizers.plain.lr: input should be a valid number, got 'high'"),
        ("lr: 0.1", "lr: true", "c.yaml:14: optimizers.plain.lr: input should be a valid number, got True"),
        (
            "lr: 0.1",
            "lr: 0.1\n    nesterov: 1",
            "c.yaml:15: optimizers.plain.nesterov: input should be a valid boolean, got 1",
        ),
        ("name: tiny", "name: 5", "c.yaml:2: experiment.name: input should be a valid string, got 5"),
        ("draw: {per_class: 10}", "draw: 10", "c.yaml:4: data.draw: a section with keys is needed, got 10"),
        ("  draw: {per_class: 10}\n", "", "c.yaml:3: data: a section with keys is needed, got None"),
        ("seeds: [0, 1]", "seeds: 3", "c.yaml:20: seeds: input should be a valid list, got 3"),
        ("seeds: [0, 1]", "seeds: {a: 1}", "c.yaml:20: seeds: input should be a valid list"),
        # what must be given
        ("name: tiny", "description: x", "c.yaml:1: experiment.name: required, but not given"),
        ("seeds: [0, 1]", "", "c.yaml:1: seeds: required, but not given"),
        ("- name: plain\n    kind", "- kind", "c.yaml:12: optimizers.0.name: required, but not given"),
        ("    lr: 0.1\n", "", "c.yaml:12: optimizers.plain.lr: required, but not given"),
        ("\n      lr: 0.1", "", "c.yaml:17: optimizers.dynamic.base.lr: required, but not given"),
        # impossible values
        (
            "per_class: 10",
            "fraction: 0",
            "c.yaml:4: data.draw.fraction: input should be greater than 0, got 0",
        ),
        ("per_class: 10", "fraction: 1.01", f"c.yaml:4: data.draw.fraction: {LE} 1, got 1.01"),
        (
            "per_class: 10",
            "fraction: .nan",
            "c.yaml:4: data.draw.fraction: input should be a finite number, got nan",
        ),
        ("per_class: 10", "per_class: 0", f"c.yaml:4: data.draw.per_class: {GE} 1, got 0"),
        ("per_class: 10", "per_class: 7001", f"c.yaml:4: data.draw.per_class: {LE} 7000, got 7001"),
        ("per_class: 10", "", f"c.yaml:4: data.draw: {FRACTION_OR_CLASS}"),
        ("per_class: 10", "per_class: 1, fraction: 0.1", f"c.yaml:4: data.draw: {FRACTION_OR_CLASS}"),
        ("hidden: [8]", "hidden: []", f"c.yaml:7: model.hidden: {EMPTY}"),
        ("hidden: [8]", "hidden: [8, 0]", f"c.yaml:7: model.hidden.1: {GE} 1, got 0"),
        ("  epochs: 2\n", "", f"c.yaml:8: training: {EPOCHS_OR_STEPS}"),
        ("epochs: 2", "epochs: 2\n  steps: 2", f"c.yaml:8: training: {EPOCHS_OR_STEPS}"),
        ("batch_size: 50", "evaluation: {}", f"c.yaml:10: training.evaluation: {EPOCHS_OR_STEPS}"),
        ("batch_size: 50", "batch_size: 0", f"c.yaml:10: training.batch_size: {GE} 1, got 0"),
        ("epochs: 2", f"epochs: {'9' * 400}", f"c.yaml:9: training.epochs: {LE} 1000000, got {'9' * 60}"),
        ("lr: 0.1", "lr: -1", "c.yaml:14: optimizers.plain.lr: input should be greater than 0, got -1"),
        ("lr: 0.1", "lr: 0", "c.yaml:14: optimizers.plain.lr: input should be greater than 0, got 0"),
        ("lr: 0.1", "lr: .inf", "c.yaml:14: optimizers.plain.lr: input should be a finite number, got inf"),
        ("lr: 0.1", "lr: .nan", "c.yaml:14: optimizers.plain.lr: input should be a finite number, got nan"),
        ("lr: 0.1", "lr: 1e999", "c.yaml:14: optimizers.plain.lr: input should be a finite number, got inf"),
        (
            "lr: 0.1",
            f"lr: {'9' * 400}",
            f"c.yaml:14: optimizers.plain.lr: input should be a valid number, got {'9' * 60}",
        ),
        (
            "      lr: 0.1",
            "      lr: -1",
            "c.yaml:19: optimizers.dynamic.base.lr: input should be greater than 0, got -1",
        ),
        (
            "lr: 0.1",
            "lr: 0.1\n    momentum: 1",
            "c.yaml:15: optimizers.plain.momentum: input should be less than 1, got 1",
        ),
        (
            "lr: 0.1",
            "lr: 0.1\n    nesterov: true",
            "c.yaml:12: optimizers.plain: nesterov needs a momentum above 0",
        ),
        (
            "kind: dba",
            "kind: dba\n    min_fraction: 0",
            "c.yaml:17: optimizers.dynamic.min_fraction: input should be greater than 0, got 0",
        ),
        ("seeds: [0, 1]", "seeds: []", f"c.yaml:20: seeds: {EMPTY}"),
        (
            "seeds: [0, 1]",
            "seeds: [2, 1, 2]",
            "c.yaml:20: seeds: seeds must be distinct, got 2 more than once",
        ),
        ("seeds: [0, 1]", "seeds: [0, -1]", f"c.yaml:20: seeds.1: {GE} 0, got -1"),
        ("seeds: [0, 1]", "seeds: [2147483648]", f"c.yaml:20: seeds.0: {LE} 2147483647, got 2147483648"),
        (
            "name: dynamic",
            "name: Plain",
            "c.yaml:11: optimizers: optimizer names must be distinct, got plain more than once",
        ),
        ("name: tiny", "name: ../up", f"c.yaml:2: experiment.name: {NAME} '../up'"),
        ("name: tiny", r'name: "a\n"', rf"c.yaml:2: experiment.name: {NAME} 'a\n'"),
        ("name: plain", "name: a/b", f"c.yaml:12: optimizers.a/b.name: {NAME} 'a/b'"),
        ("name: tiny", "name: ''", f"c.yaml:2: experiment.name: {NAME} ''"),
    ],
)
def test_faults(put: Put, fault: Fault, tiny: str, old: str, new: str, message: str) -> None:
    assert fault(put(edited(tiny, old, new))) == message


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("[]", f"optimizers: {EMPTY}"),
        ("{}", "optimizers: input should be a valid list"),
        ("3", "optimizers: input should be a valid list, got 3"),
        ("[3]", "optimizers.0: a section with keys is needed, got 3"),
        ("[null]", "optimizers.0: a section with keys is needed, got None"),
    ],
)
def test_optimizers_that_are_none(put: Put, fault: Fault, tiny: str, value: str, what: str) -> None:
    head = tiny[: tiny.index("optimizers:")]
    assert fault(put(f"{head}optimizers: {value}\nseeds: [0]\n")) == f"c.yaml:11: {what}"


METHOD = {
    "metric": ["diversity", "noise_scale", "norm", "snr", "variance"],
    "order": ["alignment", "distance", "norm", "projection"],
    "rule": ["all", "prefix", "random"],
}


@pytest.mark.parametrize(
    ("key", "name", "nearest"),
    [("metric", "snrr", "snr"), ("order", "alignmnt", "alignment"), ("rule", "prefx", "prefix")],
)
def test_names_of_the_method(put: Put, fault: Fault, tiny: str, key: str, name: str, nearest: str) -> None:
    place = f"c.yaml:17: optimizers.dynamic.{key}: unknown {key}"
    message = fault(put(edited(tiny, "kind: dba", f"kind: dba\n    {key}: {name}")))
    assert message.startswith(f"{place} '{name}'; did you mean '{nearest}'?")
    # Without a near choice all are listed.
    message = fault(put(edited(tiny, "kind: dba", f"kind: dba\n    {key}: QQQQ")))
    assert message.startswith(f"{place} 'QQQQ'")
    assert set(METHOD[key]) <= set(re.findall(r"\w+", message))


def test_long_input_is_cut_short(put: Put, fault: Fault, tiny: str) -> None:
    for old, new in [("name: tiny", f"? {'k' * 5000}\n  : 1"), ("kind: mlp", f"kind: {'m' * 5000}")]:
        assert len(fault(put(edited(tiny, old, new)))) < 300
