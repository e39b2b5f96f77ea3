"""The study of wrong labels with noise on the inputs on invented digests: who is left out, trusted images."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from dba_cli.config import load_sweep
from reproduction.command import CONFIGS, Place
from reproduction.report import report
from reproduction.studies.noisy_inputs import NoisyInputs

WHOLE = {
    "status": "finished",
    "protocol": "random draw",
    "n_train": 600,
    "evaluated": 10_000,
    "samples": 60_000,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> NoisyInputs:
    """Return the study with random errors for every run that its shipped configs plan."""
    random, place = np.random.default_rng(0), Place(root=tmp_path_factory.mktemp("results"))
    for command in NoisyInputs(place).commands:
        rows = [
            {**WHOLE, "point": point.name, "values": json.dumps(point.values), "optimizer": entry.name,
             "seed": seed, "errors": int(random.integers(1000, 5000))}
            for point in load_sweep(CONFIGS / f"{command.name}.yaml").points
            for entry in point.config.optimizers
            for seed in point.config.seeds[:4]
        ]  # fmt: skip
        command.folder.mkdir(parents=True)
        pd.DataFrame(rows).to_csv(command.folder / "runs.csv", index=False)
        curves = [
            {**row, "step": step, "accuracy": 0.5, "seconds": 1.0}
            | {f"drop_{kind}.hidden1": random.random() for kind in ("precision", "recall") if step and select}
            for row in rows
            for select in [str(row["optimizer"]).startswith("dba") and row["point"] != "clean"]
            for step in (0, 60, 120)
        ]
        pd.DataFrame(curves).to_csv(command.folder / "histories.csv", index=False)
    return NoisyInputs(place)


def test_who_is_left_out_is_the_mean_over_seeds_of_each_stretch(study: NoisyInputs) -> None:
    assert study.steps == [60, 120]
    found = {noise: stretches for noise, layer, stretches in study.left_out("dba") if layer == "hidden1"}
    assert sorted(found) == ["20 % wrong", "40 % wrong", "60 % wrong"]
    rows = pd.read_csv(study.final.folder / "histories.csv")
    rows = rows[(rows.optimizer == "dba") & (rows.point == "symmetric_40") & (rows.step == 120)]
    assert len(rows) == 4
    expected = 100 * rows[["drop_precision.hidden1", "drop_recall.hidden1"]].mean()
    assert found["40 % wrong"][1] == pytest.approx(tuple(expected))


def test_its_claims_have_keys_of_their_own_and_the_trusted_images_a_target(study: NoisyInputs) -> None:
    claims = {claim.key: claim for claim in study.claims()}
    noises = study.noises
    assert list(claims) == [
        *(f"noisy inputs {noise}" for noise in noises),
        *(f"noisy inputs recipe {noise}" for noise in noises),
        "noisy inputs trusted",
    ]
    trusted = claims["noisy inputs trusted"]
    assert trusted.own.target == 86
    others = set(study.with_trusted) - {"dba"}
    assert {each.against.name for each in trusted.figures if each.against} == others
    assert claims["noisy inputs 40 % wrong"].own.target == 83.5


def test_each_goes_on_with_the_run_that_had_the_fewest_errors(study: NoisyInputs) -> None:
    (point,) = yaml.safe_load(study.chosen()[study.trusted.path])["sweep"]["points"].values()
    runs = study.trusted_tuning.runs
    assert {entry["name"] for entry in point["optimizers"]} == set(runs.optimizer)
    best = runs[runs.optimizer == "adam_alone"].sort_values("errors").iloc[0]
    (alone,) = (entry for entry in point["optimizers"] if entry["name"] == "adam_alone")
    assert alone["lr"] == best["optimizers.adam_alone.lr"]
    assert alone["trusted"] == "alone"


def test_the_report_has_it(study: NoisyInputs) -> None:
    text = report(study.place)
    assert "## Wrong labels with noise on the inputs" in text
    assert "### With trusted images" in text
    assert "**On wrong labels.** 600 images, noise on the inputs" in text
