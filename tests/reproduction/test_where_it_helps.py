"""The map of where selection helps, on invented digests: what goes on, what is compared, what is not run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from dba_cli.config import load_sweep
from reproduction.command import Command, Place
from reproduction.report import report
from reproduction.studies.where_it_helps import DataSet, WhereItHelps

ROWS = ["no wrong labels", "40 % wrong"]
OURS = {"dba", "dba_losses", "dba_norms", "dba_model", "tilted"}


def digest(command: Command, path: Path, errors) -> None:
    whole = {"status": "finished", "protocol": "random draw", "n_train": 500, "evaluated": 10_000}
    rows = [
        {**whole, "point": point.name, "values": json.dumps(point.values), "optimizer": entry.name,
         "seed": seed, "samples": 15_000, "errors": errors(entry.name)}
        for point in load_sweep(path, command.overrides).points
        for entry in point.config.optimizers
        for seed in point.config.seeds
    ]  # fmt: skip
    file = command.folder / "runs.csv"
    file.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(file, index=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> WhereItHelps:
    """Return the study of another dataset's place, where one data set is tuned and run."""
    place, random = Place("fashion_mnist", root=tmp_path_factory.mktemp("results")), np.random.default_rng(0)
    (repeated,) = (each for each in WhereItHelps(place).sets if each.name == "redundancy")
    digest(repeated.tuning, repeated.tuning.path, lambda name: int(random.integers(1000, 9000)))
    ((path, text),) = WhereItHelps(place).chosen().items()
    path.write_text(text)
    digest(repeated.final, path, lambda name: 2000 + 300 * len(name) + int(random.integers(300)))
    return WhereItHelps(place)


@pytest.fixture(scope="module")
def repeated(study: WhereItHelps) -> DataSet:
    return next(each for each in study.sets if len(each.tuning.runs))


def test_the_best_rate_of_ours_and_of_the_best_peers_goes_on(repeated: DataSet) -> None:
    tuning = repeated.tuning.runs.assign(wrong=repeated.tuning.runs["data.noise"].notna())
    tried = {point.name: point.config for point in repeated.tuning.points}
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for point in repeated.final.points:
        config, wrong = point.config, point.config.data.noise is not None
        assert (config.data.evaluate_on, config.seeds, config.data.repeat) == ("test", [*range(10)], 5)
        for entry in config.optimizers:
            runs = tuning[(tuning.wrong == wrong) & (tuning.optimizer == entry.name)]
            assert len(runs) == 5  # one budget
            best = tried[str(runs.loc[runs.errors.idxmin(), "point"])]
            assert entry in best.optimizers
            assert (config.training, config.model) == (best.training, best.model)
            found[wrong].add(entry.name)
    for wrong, names in found.items():
        here = tuning[(tuning.wrong == wrong) & ~tuning.optimizer.isin({*OURS, "sgd"})]
        assert names == {*OURS, "sgd", *here.groupby("optimizer").errors.min().nsmallest(3).index}


def test_a_row_of_the_map_is_dba_less_the_others_paired_by_seed(study: WhereItHelps) -> None:
    assert study.rows == [f"{study.place.title}, 100 images x 5: {words}" for words in ROWS]
    runs = next(each.final.runs for each in study.sets if len(each.final.runs))
    for row, wrong in zip(study.rows, (False, True), strict=True):
        here = runs[runs["data.noise"].notna() == wrong]
        errors = {name: rows.set_index("seed").errors for name, rows in here.groupby("optimizer")}
        peers = {name: each.mean() for name, each in errors.items() if name not in {*OURS, "sgd"}}
        others = {"plain": "sgd", "best peer": min(peers, key=peers.__getitem__), "losses": "dba_losses",
                  "norms": "dba_norms", "one subset": "dba_model", "tilt": "tilted"}  # fmt: skip
        for column, name in others.items():
            found, less, p = study.compared[row, column]
            test = ttest_rel(errors[name], errors["dba"])
            assert found == name
            assert less.estimate.mean == pytest.approx((errors[name] - errors["dba"]).mean() / 100)
            assert test.pvalue <= p <= min(1, len(study.comparisons) * test.pvalue) * (1 + 1e-9)
    figures = study.claims()[0].figures
    assert [each.against.name for each in figures[1:]] == [
        study.compared[study.rows[0], c][0] for c in study.columns
    ]


def test_the_picture_has_the_numbers_of_the_map(study: WhereItHelps) -> None:
    (axes, _) = study.figures()["where_it_helps"].axes
    drawn = {
        (study.rows[int(t.get_position()[1])], study.columns[int(t.get_position()[0])]): t for t in axes.texts
    }
    assert drawn.keys() == study.compared.keys()
    for key, (_, less, p) in study.compared.items():
        assert drawn[key].get_text() == f"{less.estimate.mean:+.1f}"
        assert (drawn[key].get_weight() == "bold") == (p < 0.05)


def test_what_is_not_run_stands_in_the_table_with_its_command(study: WhereItHelps) -> None:
    own = [each.name for each in study.sets]
    assert own == ["mnist_600", "mnist_100", "imbalance", "redundancy", "mnist_60000"]  # no other data here
    text = report(study.place)
    assert "## Where selection helps" in text
    for row, command in study.not_run.items():
        assert f"| {row} | not run |" in text
        assert command.startswith("python -m reproduction run where_it_helps_")
        assert command.endswith("--dataset fashion_mnist")
        assert command in text
    assert "1:10" in str(study.not_run)
    assert not set(study.rows) & set(study.not_run)
