"""The study of wrong labels on invented digests: what is chosen, what is compared, what is said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from dba_cli.config import load_sweep
from reproduction.command import CONFIGS, Place
from reproduction.report import report
from reproduction.statistics import holm
from reproduction.studies.wrong_labels import WrongLabels

TRIED = load_sweep(CONFIGS / "wrong_labels_tuning.yaml").points
SEEDS = range(20, 24)


def digest(place: Place, name: str, rows: list[dict[str, object]]) -> None:
    whole = {"status": "finished", "protocol": "random draw", "n_train": 600, "evaluated": 10_000}
    file = place.results / name / "runs.csv"
    file.parent.mkdir(parents=True)
    pd.DataFrame([{**whole, "samples": 120_000, **row} for row in rows]).to_csv(file, index=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> WrongLabels:
    """Return the study with random errors for every try, and for the final runs of what is chosen of them."""
    random, place = np.random.default_rng(0), Place(root=tmp_path_factory.mktemp("results"))
    for name in ("wrong_labels_tuning", "wrong_labels_subsets_tuning"):
        digest(
            place,
            name,
            [
                {"point": point.name, "values": json.dumps(point.values), "optimizer": entry.name,
                 "seed": 100, "errors": int(random.integers(1000, 9000))}
                for point in load_sweep(CONFIGS / f"{name}.yaml").points
                for entry in point.config.optimizers
            ],
        )  # fmt: skip
    final = place.root / "final.yaml"
    text = WrongLabels(place).chosen()[CONFIGS / "wrong_labels.yaml"]
    final.write_text(text.replace("extends: ", f"extends: {CONFIGS}/"))
    digest(
        place,
        "wrong_labels",
        [
            {"point": point.name, "values": json.dumps(point.values), "optimizer": entry.name, "seed": seed,
             "errors": 2000 + 300 * len(entry.name) + int(random.integers(300))}
            for point in load_sweep(final).points
            for entry in point.config.optimizers
            for seed in SEEDS
        ],
    )  # fmt: skip
    return WrongLabels(place)


def test_each_goes_on_with_its_best_try_on_fresh_seeds_and_right_labels(study: WrongLabels) -> None:
    tuning = pd.read_csv(study.place.results / "wrong_labels_tuning/runs.csv")
    points = load_sweep(study.place.root / "final.yaml").points
    assert {point.config.data.evaluate_on for point in points} == {"test"}
    assert not set(points[0].config.seeds) & set(tuning.seed)
    tried = {point.name: point.config for point in TRIED}
    chosen, wanted = {}, {}
    for point in points:
        noise = point.config.data.noise
        for entry in point.config.optimizers:
            same = [name for name, config in tried.items() if config.data.noise == noise]
            runs = tuning[tuning.point.isin(same) & (tuning.optimizer == entry.name)]
            assert len(runs) == 6  # one budget
            best = tried[str(runs.loc[runs.errors.idxmin(), "point"])]
            assert entry in best.optimizers
            assert point.config.training == best.training
            assert point.config.model == best.model
        here = tuning[tuning.point.isin(same)]
        peers = here[~here.optimizer.str.startswith("dba") & ~here.optimizer.isin(["sgd", "tilted"])]
        best = peers.groupby("optimizer").errors.min().nsmallest(3).index
        chosen[str(noise)] = chosen.get(str(noise), set()) | {entry.name for entry in point.config.optimizers}
        wanted[str(noise)] = {"dba", "dba_losses", "dba_norms", "dba_model", "tilted", "sgd", *best}
    assert chosen == wanted
    assert len(chosen) == 4


def test_differences_are_paired_and_corrected_together(study: WrongLabels) -> None:
    raw = {}
    for (noise, name), runs in study.groups.items():
        if name != "dba":
            pairs = (100 - each.set_index("seed").errors / 100 for each in (study.groups[noise, "dba"], runs))
            raw[noise, name] = ttest_rel(*pairs)
    expected = dict(zip(raw, holm([test.pvalue for test in raw.values()]), strict=True))
    assert {key: p for key, (_, p) in study.comparisons.items()} == pytest.approx(expected)
    outcomes = {key: ("tie" if p >= 0.05 else "win" if raw[key].statistic > 0 else "loss")
                for key, p in expected.items()}  # fmt: skip
    assert {key: study.outcome(*key) for key in expected} == outcomes
    assert set(outcomes.values()) >= {"win", "tie"}


def test_for_each_noise_a_claim_beside_plain_training_and_peer_and_one_beside_the_controls(
    study: WrongLabels,
) -> None:
    claims = {claim.key: claim for claim in study.claims()}
    assert list(claims) == [f"{kind} {noise}" for kind in ("labels", "recipe") for noise in study.noises]
    for noise in study.noises:
        claim = claims[f"labels {noise}"]
        means = {
            name: runs.errors.mean()
            for (where, name), runs in study.groups.items()
            if where == noise and not name.startswith(("dba", "tilted"))
        }
        compared = {"sgd", min(means, key=means.__getitem__)}
        assert {figure.against.name for figure in claim.figures if figure.against} == compared
        assert set(claim.levels) == {"dba", *compared}
        assert claim.own.target == {"40 % wrong": 83.5, "60 % wrong": 75.0, "20 % wrong": 86.3}.get(noise)
        controls = {figure.against.name for figure in claims[f"recipe {noise}"].figures if figure.against}
        assert controls == {"dba_losses", "dba_norms", "dba_model", "tilted"}


def test_the_report_opens_with_what_was_found(study: WrongLabels) -> None:
    text = report(study.place)
    assert text.index("## In short") < text.index("## The claims") < text.index("## Wrong labels")
    assert "- 40 % wrong: DBA has" in text
    assert Path(study.tuning.path).name in text
