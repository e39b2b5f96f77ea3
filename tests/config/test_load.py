"""Files that extend one another, ``--set``, seeds, and the shipped configs."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dba_cli.config import Config, ModelConfig, config_hash, load, load_sweep, parse_seeds, to_yaml
from dba_cli.errors import UserError

from .conftest import TINY

Put = Callable[..., Path]
Fault = Callable[..., str]

DISTINCT = "optimizer names must be distinct"
EPOCHS_OR_STEPS = "give exactly one of epochs and steps (null removes one)"
FRACTION_OR_CLASS = "give exactly one of fraction, per_class and indices (null removes one)"
PAPER = {"test_accuracy": 1.0, "error_reduction": 2.0}
NESTEROV = "nesterov needs a momentum above 0"

CONFIGS = Path(__file__).parents[2] / "configs"
RECORDED = sorted((CONFIGS.parent / "results" / "reference").glob("*/*/seed-*/config.yaml"))


def test_a_small_config(put: Put) -> None:
    config = load(put())
    found = config.model_dump(mode="json", exclude={"optimizers"}, exclude_none=True)
    assert found == {
        "experiment": {"name": "tiny", "description": ""},
        "data": {
            "dataset": "mnist",
            "source": "auto",
            "draw": {"per_class": 10, "by": "random"},
            **{"preprocessing": "none", "standardize": False, "evaluate_on": "test", "repeat": 1},
        },
        "model": {"kind": "mlp", "hidden": [8], "activation": "relu"},
        "training": {
            **{"epochs": 2, "batch_size": 50, "schedule": {"kind": "constant", "warmup_steps": 0}},
            **{"evaluation": {"epochs": 1, "copies": 0}, "checkpoint": {"seconds": 60}},
            **{
                "input_noise": 0.0,
                "label_smoothing": 0.0,
                "precision": "float32",
                "trace": False,
                "save_weights": False,
            },
        },
        "seeds": [0, 1],
    }
    assert [entry.kind for entry in config.optimizers] == ["sgd", "dba"]


# -- extends --


def test_a_chain_of_bases_merges_sections_and_replaces_lists(put: Put) -> None:
    put(name="shared/lowest.yaml")
    put(
        "extends: lowest.yaml\ntraining: {epochs: 7}\nmodel: {hidden: [1, 2]}\nseeds: 3-5\n",
        "shared/middle.yaml",
    )
    put("extends: shared/middle.yaml\ntraining: {batch_size: 9}\noptimizers: [{name: only, kind: adam}]\n")
    config = load(Path("c.yaml"))
    assert (config.training.epochs, config.training.batch_size) == (7, 9)
    assert config.model.model_dump(mode="json") == {"kind": "mlp", "hidden": [1, 2], "activation": "relu"}
    assert [(entry.name, entry.kind) for entry in config.optimizers] == [("only", "adam")]
    assert config.seeds == [3, 4, 5]
    assert config.experiment.name == "tiny"


@pytest.mark.parametrize(
    ("over", "section", "value"),
    [
        # null removes a value, another kind of model drops the keys of the first, the same kind keeps them
        (
            "data: {draw: {per_class: null, fraction: 0.5}}",
            "draw",
            {"fraction": 0.5, "per_class": None, "indices": None, "by": "random"},
        ),
        (
            "model: {kind: cnn}",
            "model",
            ModelConfig.model_validate({"kind": "cnn"}).model_dump(mode="json"),
        ),
        (
            "model: {kind: mlp, activation: tanh}",
            "model",
            {"kind": "mlp", "hidden": [8], "activation": "tanh"},
        ),
        ("training: {schedule: {kind: cosine}}", "schedule", {"kind": "cosine", "warmup_steps": 5}),
    ],
)
def test_what_is_kept_of_a_base(put: Put, tiny: str, over: str, section: str, value: dict[str, Any]) -> None:
    put(tiny.replace("batch_size: 50", "schedule: {kind: constant, warmup_steps: 5}"), "base.yaml")
    found = load(put(f"extends: base.yaml\n{over}\n")).model_dump(mode="json")
    assert (found | found["data"] | found["training"])[section] == value


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("bese.yaml", "c.yaml:2: extends: bese.yaml: no such file; did you mean 'base.yaml'?"),
        ("base.yaml/x", "c.yaml:2: extends: base.yaml/x: cannot be read (Not a directory)"),
        ('"a\\0b"', "c.yaml:2: extends: a\\x00b: no file can have this name"),
        ("c.yaml", "c.yaml:2: extends: c.yaml extends itself, directly or through others"),
        ("[base.yaml]", "c.yaml:2: extends: give one file, such as 'base.yaml', got ['base.yaml']"),
        ("''", "c.yaml:2: extends: give one file, such as 'base.yaml', got ''"),
        ("1", "c.yaml:2: extends: give one file, such as 'base.yaml', got 1"),
    ],
)
def test_a_base_that_cannot_be_read_is_a_fault_of_its_line(
    put: Put, fault: Fault, base: str, message: str
) -> None:
    put(name="base.yaml")
    path = put(f"# comment\nextends: {base}\n")
    assert fault(path) == message


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("extends: bose.yaml", "base.yaml:2: extends: bose.yaml: no such file; did you mean 'base.yaml'?"),
        ("extends: c.yaml", "base.yaml:2: extends: c.yaml extends itself, directly or through others"),
    ],
)
def test_further_down_it_is_a_fault_of_the_file_that_names_it(
    put: Put, fault: Fault, base: str, message: str
) -> None:
    put(f"\n{base}\n", "base.yaml")
    assert fault(put("extends: base.yaml\n")) == message


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("", "base.yaml:14: optimizers.plain.lr: "),
        ("training: {epochs: 0}\n", "c.yaml:2: training.epochs: "),
        ("training:\n  steps: 3\n", f"c.yaml:2: training: {EPOCHS_OR_STEPS}"),
        ("training: 3\n", "c.yaml:2: training: a section with keys is needed, got 3"),
        ("optimizers:\n- name: a\n  kind: sgd\n", "c.yaml:3: optimizers.a.lr: required, but not given"),
    ],
)
def test_faults_are_placed_in_the_file_that_has_them(
    put: Put, fault: Fault, tiny: str, over: str, message: str
) -> None:
    put(tiny.replace("lr: 0.1\n  -", "lr: 0\n  -"), "base.yaml")
    assert fault(put("extends: base.yaml\n" + over)).startswith(message)


def test_what_no_file_gives_is_required_of_the_first(put: Put, fault: Fault) -> None:
    put("model: {kind: mlp}\n", "base.yaml")
    message = "c.yaml:2: experiment.name: required, but not given (and 4 more)"
    assert fault(put("extends: base.yaml\nexperiment: {}\n")) == message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n", "word\n", "null\n", "5\n"])
@pytest.mark.parametrize("over", ["", "extends: base.yaml\n"])
def test_a_file_without_sections(put: Put, fault: Fault, text: str, over: str) -> None:
    path = put(text, "base.yaml")
    message = "base.yaml: a config is a mapping of sections, such as 'data:' and 'model:'"
    assert fault(put(over) if over else path) == message


# -- overrides --


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.epochs=5", ("training", "epochs"), 5),
        (" training.epochs = 5", ("training", "epochs"), 5),
        ("training.evaluation.epochs=3", ("training", "evaluation", "epochs"), 3),
        ("training.schedule.kind=cosine", ("training", "schedule", "kind"), "cosine"),
        ("training.schedule={kind: linear, warmup_steps: 2}", ("training", "schedule", "warmup_steps"), 2),
        ("experiment.description=a=b", ("experiment", "description"), "a=b"),
        ("experiment.description=no", ("experiment", "description"), "no"),
        ("experiment.description='1'", ("experiment", "description"), "1"),
        ("experiment.paper={test_accuracy: 1, error_reduction: 2}", ("experiment", "paper"), PAPER),
        ("model.hidden=[3, 4]", ("model", "hidden"), [3, 4]),
        ("model.hidden.0=9", ("model", "hidden"), [9]),
        ("optimizers.plain.lr=1e-3", ("optimizers", 0, "lr"), 1e-3),
        ("optimizers.1.min_fraction=0.5", ("optimizers", 1, "min_fraction"), 0.5),
        ("optimizers.dynamic.base.lr=2", ("optimizers", 1, "base", "lr"), 2.0),
        ("optimizers.dynamic.base={kind: adam}", ("optimizers", 1, "base", "kind"), "adam"),
        ("seeds=4-6", ("seeds",), [4, 5, 6]),
        ("seeds=[7]", ("seeds",), [7]),
        ("seeds.1=8", ("seeds",), [0, 8]),
    ],
)
def test_an_override_changes_one_value(put: Put, override: str, path: tuple[Any, ...], value: object) -> None:
    expected = load(put()).model_dump(mode="json")
    changed = load(Path("c.yaml"), [override]).model_dump(mode="json")
    found: Any = changed
    for step in path:
        found = found[step]
    assert (type(found), found) == (type(value), value)
    # Everything outside the section that the override names is as it was.
    expected.pop(path[0])
    changed.pop(path[0])
    assert changed == expected


def test_a_model_of_another_kind_has_other_keys(put: Put, fault: Fault) -> None:
    path = put()
    before = load(path).model
    cnn = ModelConfig.model_validate({"kind": "cnn"}).model_dump()
    assert load(path, ["model.kind=cnn"]).model.model_dump() == cnn
    assert load(path, ["model.kind=mlp"]).model == before
    both = ["model.kind=cnn", "model.channels=[4]", "model.activation=tanh"]
    for order in (both, both[::-1]):
        found = load(path, order).model.model_dump()
        assert found == cnn | {"channels": (4,), "activation": "tanh"}
    with pytest.raises(UserError, match=r"--set model.hidden=\[3\]: model.hidden: unknown key 'hidden'"):
        load(path, ["model.hidden=[3]", "model.kind=resnet"])
    grid = ["model.activation=tanh,relu", "model.kind=mlp,cnn"]
    points = load_sweep(path, [], grid).points
    assert [point.config.model.model_dump()["activation"] for point in points] == [
        "tanh",
        "tanh",
        "relu",
        "relu",
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("dataset: npz", "dataset npz needs a path"),
        ("path: d.npz", "a path needs dataset: csv, folder, npz"),
        ("{dataset: csv, path: d.csv}", "dataset csv needs a target: the column of the classes"),
        ("{dataset: npz, path: d.npz, target: t}", "a target is a column of a CSV"),
        (f"sha256: '{'a' * 64}'", "sha256 is of data at a path, not of mnist"),
        ("dataset: torchvision:CIFAR1", "torchvision has no dataset 'CIFAR1'; did you mean 'CIFAR10'"),
        ("{noise: {kind: pair, rate: 0}}", "noise.rate: input should be greater than 0"),
        ("{imbalance: {ratio: 1}}", "imbalance.ratio: input should be greater than 1"),
    ],
)
def test_data_of_ones_own(put: Put, fault: Fault, data: str, said: str) -> None:
    text = data if data.startswith("{") else f"{{{data}}}"
    path = put()
    with pytest.raises(UserError, match=re.escape(said)):
        load(path, [f"data={text[:-1]}, draw: {{per_class: 10}}}}"])


def test_the_content_is_part_of_a_run_and_its_place_is_not(put: Put) -> None:
    def hashed(*data: str) -> str:
        own = ["data={dataset: npz, path: a.npz, draw: {per_class: 10}}", *data]
        return config_hash(load(put(), own).narrowed("plain", 0, "own"))

    known = f"data.sha256='{'1' * 64}'"
    assert hashed(known) == hashed(known, "data.path=b.npz")
    assert len({hashed(), hashed("data.path=b.npz"), hashed(known), hashed(f"data.sha256='{'2' * 64}'")}) == 4


def test_overrides_apply_in_order_and_a_name_goes_before_a_position(put: Put, tiny: str) -> None:
    path = put(tiny.replace("name: dynamic", "name: '0'"))
    config = load(
        path, ["training.epochs=5", "training.epochs=null", "training.steps=7", "optimizers.0.base.lr=5"]
    )
    assert (config.training.epochs, config.training.steps, config.optimizers[1].base.lr) == (None, 7, 5)


@pytest.mark.parametrize(
    ("override", "what"),
    [
        *(
            (text, "give KEY=VALUE with a dotted key, such as training.epochs=5")
            for text in ["", "=", "=5", "epochs", "training.=5", ".epochs=5", "training..epochs=5"]
        ),
        ("training.epochs=[", "not valid YAML: expected the node content, but found '<stream end>'"),
        ("training.epochs=!!int 5", "not valid YAML: the tag 'tag:yaml.org,2002:int' is not allowed"),
        *((f"training.epochs={value}", "training.epochs: ") for value in ["abc", "'5'", "5.0", "0"]),
        ("training.epoch=5", "training.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("trainin.epochs=5", "trainin: unknown key 'trainin'; did you mean 'training'?"),
        ("training.steps=5", f"training: {EPOCHS_OR_STEPS}"),
        ("training=5", "training: a section with keys is needed, got 5"),
        ("training.epochs.x=5", "training.epochs is the single value 2, it has no 'x'"),
        ("experiment.paper.test_accuracy=5", "experiment.paper.error_reduction: required, but not given"),
        ("data.draw.fraction=0.5", f"data.draw: {FRACTION_OR_CLASS}"),
        ("optimizers.plain.lr=-1", "optimizers.plain.lr: "),
        ("optimizers.0.lr=-1", "optimizers.plain.lr: "),
        ("optimizers.plan.lr=1", "no entry 'plan' in the list of 2; did you mean 'plain'?"),
        ("optimizers.2.lr=1", "no entry '2' in the list of 2; choose from dynamic, plain"),
        ("optimizers.-1.lr=1", "no entry '-1' in the list of 2; choose from dynamic, plain"),
        ("optimizers.²=1", "no entry '²' in the list of 2; choose from dynamic, plain"),
        ("optimizers.plain.name=Dynamic", f"optimizers: {DISTINCT}, got dynamic more than once"),
        (
            "optimizers.dynamic.max_fraction=0.1",
            "optimizers.dynamic: min_fraction 0.25 is above max_fraction 0.1",
        ),
        ("optimizers.plain.nesterov=true", f"optimizers.plain: {NESTEROV}"),
        ("optimizers.dynamic.base.nesterov=true", f"optimizers.dynamic.base: {NESTEROV}"),
        ("seeds=4-2", "seeds: the range '4-2' runs backwards; did you mean '2-4'?"),
        ("seeds=a", "seeds: 'a' is no seed; give N or A-B, such as 0 or 0-4"),
        ("seeds.2=1", "no entry '2' in the list of 2"),
        ("seeds.1=0", "seeds: seeds must be distinct, got 0 more than once"),
        ("extends=base.yaml", "extends: unknown key 'extends'; did you mean 'seeds'?"),
    ],
)
def test_a_fault_of_an_override_is_placed_there(put: Put, fault: Fault, override: str, what: str) -> None:
    assert fault(put(), override).startswith(f"--set {override}: {what}")


def test_a_fault_of_the_file_stays_there(put: Put, fault: Fault, tiny: str) -> None:
    path = put(tiny.replace("    lr: 0.1\n", "", 1))
    found = fault(path, "optimizers.plain.momentum=0.5", "training.epochs=5")
    assert found == "c.yaml:12: optimizers.plain.lr: required, but not given"


@pytest.mark.parametrize(
    ("overrides", "blamed"),
    [
        (["training={epochs: 1}", "training.steps=2", "training.batch_size=3"], 2),
        (["training.epochs=1", "training={epochs: 1, steps: 2}"], 1),
        (["training.steps=2", "optimizers.plain.lr=3"], 0),
    ],
)
def test_the_last_override_of_the_section_is_to_blame(
    put: Put, fault: Fault, overrides: list[str], blamed: int
) -> None:
    assert fault(put(), *overrides) == f"--set {overrides[blamed]}: training: {EPOCHS_OR_STEPS}"


def test_an_override_written_on_two_lines_is_shown_on_one(put: Put, fault: Fault) -> None:
    assert fault(put(), "training.epochs=\n-1").startswith("--set training.epochs=\\n-1: training.epochs: ")


# -- seeds --


def test_seeds() -> None:
    for text, seeds in [("0", [0]), ("7", [7]), ("0-4", [0, 1, 2, 3, 4]), (" 2 - 3 ", [2, 3]), ("5-5", [5])]:
        assert parse_seeds(text, "--seed") == seeds
    for text, seeds in [("2147483647", [2**31 - 1]), ("007", [7]), ("0-9999", list(range(10_000)))]:
        assert parse_seeds(text, "--seed") == seeds


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (
            ["", "-", "-1", "1-", "1-2-3", "a", "1,2", "0x1", "1.0", "٣", "9" * 11],
            "is no seed; give N or A-B, such as 0 or 0-4",
        ),
        (
            ["2147483648", "0-10000", "2147483640-2147483648"],
            "is out of range (seeds 0 to 2147483647, at most 10000 of them)",
        ),
    ],
)
def test_no_seeds(texts: list[str], said: str) -> None:
    for text in texts:
        with pytest.raises(UserError) as caught:
            parse_seeds(text, "--seed")
        assert str(caught.value) == f"--seed: {text!r} {said}"


def test_seeds_as_text_in_a_file(put: Put, fault: Fault, tiny: str) -> None:
    assert load(put(tiny.replace("[0, 1]", "2-4"))).seeds == [2, 3, 4]
    message = "c.yaml:20: seeds: the range '4-2' runs backwards; did you mean '2-4'?"
    assert fault(put(tiny.replace("[0, 1]", "4-2"))) == message


# -- the shipped configs --

# A digest of the hashes of every run of a config, and of its sweep's points by name: a changed line disowns
# finished runs.
SHIPPED = {
    "mnist_10_per_class_distilled": "8528a364f165",
    "few_labels": "303b285cc0dd",
    "few_labels_600": "60cae3e41a44",
    "few_labels_ablations": "d4f4c0c19118",
    "few_labels_listed": "e034386f76cc",
    "few_labels_plain": "bfc90f3da6c7",
    "mnist_10_per_class": "cba78ff85344",
    "mnist_10_per_class_deformed": "3622f50e18df",
    "mnist_10_per_class_selected_deformed": "2d90cba4b580",
    "mnist_1pct": "869027f5ed5d",
    "mnist_1pct_deformed": "7807e1c49dc1",
    "mnist_full": "470013753b23",
    "ablations": "6652ed6481cb",
    "behaviour": "464b9f21538e",
    "confirmation": "e82e343a6887",
    "convergence": "aa3170bc0394",
    "convergence_tuning": "59d77a073cbb",
    "ladder": "72d79f029375",
    "screening": "1dbf0da66670",
    "screening_rules": "55bf08b7646c",
    "step_budget": "88a04d3bd25b",
    "step_budget_controls": "77583c829954",
    "step_budget_controls_tuning": "05a18b6be102",
    "step_budget_tuning": "c1bd869696d3",
    "tuning": "e68ab620d5e9",
    "breast_cancer": "20ec8a8773a9",
    "colour": "559487dc4180",
    "digits": "777d2f6521fe",
    "imbalance": "393c410f72a7",
    "mnist_100": "f8fb96090791",
    "mnist_600": "1e2534152354",
    "mnist_60000": "a1e893547d58",
    "redundancy": "6a582f2252cc",
    "wine": "9df35363c3ca",
    "digits_final": "e87ffe2dd4a1",
    "mnist_100_final": "d142bec3c052",
    "mnist_600_final": "c3c8fe5bab63",
    "noisy_inputs_tuning": "5cf71085b0e1",
    "noisy_inputs": "36766a88fba9",
    "noisy_inputs_trusted_tuning": "a800d53a49f7",
    "noisy_inputs_trusted": "e6da71650b90",
    "redundancy_final": "1a300444dab9",
    "imbalance_final": "8e3c4b74609a",
    "wrong_labels": "37d9e29920f7",
    "wrong_labels_subsets_tuning": "883d3b4c154a",
    "wrong_labels_tuning": "839cdd23fbe1",
    "smoke": "175a930cb619",
}


def test_the_runs_of_every_shipped_config_are_what_they_were() -> None:
    found = {}
    for path in sorted(CONFIGS.rglob("*.yaml")):
        if "experiment:" not in path.read_text(encoding="utf-8"):
            continue  # what others extend
        config = load(path)
        configs = {"": config}
        if config.sweep is not None:
            configs |= {point.name: point.config for point in load_sweep(path).points}
        runs = sorted(
            f"{name} {entry.name} {config_hash(each.narrowed(entry.name, 0, 'official'))}"
            for name, each in configs.items()
            for entry in each.optimizers
        )
        found[path.stem] = hashlib.sha256("\n".join(runs).encode()).hexdigest()[:12]
    assert found == SHIPPED


@pytest.mark.parametrize("name", ["mnist_1pct", "mnist_1pct_deformed", "smoke"])
def test_resolved_configs_read_back(put: Put, name: str) -> None:
    config = load(CONFIGS / f"{name}.yaml")
    for entry in config.optimizers:
        run = config.narrowed(entry.name, 1, "official")
        again = load(put(to_yaml(run)))
        assert again == run
        assert config_hash(again) == config_hash(run)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.text(max_size=300), st.floats(0, 1000, exclude_min=True), st.floats(0, 1, exclude_min=True))
def test_any_description_and_any_float_read_back(
    tmp_path_factory: pytest.TempPathFactory, description: str, lr: float, fraction: float
) -> None:
    values = yaml.safe_load(TINY) | {
        "experiment": {"name": "1e-3", "description": description},
        "data": {"draw": {"fraction": fraction}},
        "optimizers": [{"name": "0123", "kind": "sgd", "lr": lr}],
    }
    config = Config.model_validate(values)
    path = tmp_path_factory.getbasetemp() / "resolved.yaml"
    path.write_bytes(to_yaml(config).encode())
    assert load(path) == config


def test_recorded_configs_still_load_as_the_runs_they_were() -> None:
    from dba_cli.records import RunFolder

    assert RECORDED
    for path in RECORDED:
        record = RunFolder(path.parent).read()
        assert record is not None
        assert config_hash(load(path)) == record.config_hash, path
