"""dba sweep, and the options that it shares with dba run."""

import json
from pathlib import Path

import dba_cli


def points(folder: Path) -> dict[str, dict[str, object]]:
    return {
        point["name"]: point["values"] for point in json.loads((folder / "sweep.json").read_text())["points"]
    }


def ranking(folder: Path) -> list[list[str]]:
    """The points by falling accuracy, as the records say it: optimizer, epochs, learning rate."""
    errors: dict[tuple[str, ...], int] = {}
    for name, values in points(folder).items():
        finals = [json.loads((folder / name / f"sgd/seed-{seed}/result.json").read_text()) for seed in (0, 1)]
        at = ("sgd", str(values["training.epochs"]), str(values["optimizers.sgd.lr"]))
        errors[at] = sum(final["final"]["test_errors"] for final in finals)
    assert len(set(errors.values())) == len(errors)  # no tie to be broken
    return [list(at) for at in sorted(errors, key=lambda at: errors[at])]


def finished(folder: Path) -> set[tuple[str, ...]]:
    return {path.parts[-4:-1] for path in folder.glob("*/*/*/result.json")}


def test_a_grid_is_done_once_and_every_command_reads_it(dba, config):
    grid = ["--grid", "optimizers.sgd.lr=0.05,0.2", "--grid", "training.epochs=2,3", "--optimizer", "sgd"]
    first = dba("sweep", config, *grid)
    assert first.code == 0
    assert first.out.splitlines()[0] == "tiny_sweep (4 points): 8 runs to do"
    folder = Path("results/tiny_sweep")
    found = points(folder)
    assert sorted(tuple(values.values()) for values in found.values()) == [
        (0.05, 2), (0.05, 3), (0.2, 2), (0.2, 3),
    ]  # fmt: skip
    assert finished(folder) == {(name, "sgd", f"seed-{seed}") for name in found for seed in (0, 1)}
    for name, values in found.items():
        record = json.loads((folder / name / "sgd/seed-1/result.json").read_text())
        assert record["final"]["epoch"] == values["training.epochs"]
        assert f"lr: {values['optimizers.sgd.lr']}" in (folder / name / "sgd/seed-1/config.yaml").read_text()

    again = dba("sweep", config, *grid)
    assert again.out.startswith("tiny_sweep (4 points): all 8 runs are already there in results/tiny_sweep\n")
    assert [line.split()[:3] for line in again.out.splitlines() if " 2 of 2 " in line] == ranking(folder)
    assert "missing" not in again.out + again.err  # adam and dba were not asked for
    table = dba("compare", "--results", "results/tiny_sweep", "--format", "csv", "--strict")
    assert table.code == 0
    assert "missing" not in table.out.partition("\n")[2]
    assert "Best: sgd with training.epochs=" in " ".join(again.out.split())
    assert "--set data.evaluate_on=validation" in " ".join(
        again.out.split()
    )  # the test set should choose nothing
    assert again.out.splitlines()[-2] == "Records: results/tiny_sweep"
    larger = dba("sweep", config, "--grid", "training.epochs=2,3,4", *grid[:2], *grid[-2:], "--seed", 0)
    assert "tiny_sweep (6 points): 2 runs to do, 4 already there" in larger.out
    assert len(points(folder)) == 6
    drawn = dba("plot", "--kind", "points", "--results", folder, "--format", "svg")
    assert drawn.out == "plots/points.svg\n"
    table = dba("compare", "--results", folder, "--format", "csv")
    assert table.code == 0
    assert all(name in table.out for name in points(folder))


def test_random_points_of_a_range_and_of_the_configs_section(dba, config):
    config.write_text(
        config.read_text() + "sweep: {grid: {'optimizers.sgd.lr': {low: 0.01, high: 1, log: true}}}\n"
    )
    narrow = ["--optimizer", "sgd", "--seed", "0", "--quiet"]
    assert dba("sweep", config, "--random", 3, "--name", "drawn", *narrow).code == 0
    folder = Path("results/drawn")
    first = list(points(folder))
    assert len(first) == len(finished(folder)) == 3
    dba("sweep", config, "--random", 4, "--name", "drawn", *narrow)
    assert list(points(folder))[:3] == first
    assert len(finished(folder)) == 4  # one more, the others were the same
    dba("sweep", config, "--random", 2, "--sweep-seed", 1, "--name", "other", *narrow)
    assert not finished(folder) & finished(Path("results/other"))


def test_a_failed_run_is_listed_and_retried(dba, config, tmp_path, monkeypatch):
    (tmp_path / "own_faults.py").write_text(
        "from pathlib import Path\n"
        "from dba_cli import register_metric\n\n\n"
        "@register_metric('sometimes', larger_is_better=False)\n"
        "def sometimes(s):\n"
        "    if Path('fault').exists():\n"
        "        raise ValueError('no such luck')\n"
        "    return s.variance\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    Path("fault").touch()
    command = ["sweep", config, "--grid", "optimizers.dba.metric=own_faults:sometimes,snr", "--seed", 0]
    failed = dba(*command)
    assert failed.code == 1
    assert "Traceback" not in failed.err
    summary = failed.err.splitlines()[-2:]
    assert summary[0].startswith("dba: failed: metric-own-faults-sometimes-")
    assert summary[0].endswith(" dba seed 0: ValueError: no such luck")
    assert "1 run has failed; --retry-failed does them again" in summary[1]
    assert len(finished(Path("results/tiny_sweep"))) == 5

    Path("fault").unlink()
    metrics = {"optimizers.dba.metric": ["own_faults:sometimes", "snr"]}
    rows = dba_cli.sweep(config, metrics, optimizers=["dba", "sgd"], seeds=0)
    assert sorted(rows["status"]) == ["failed", "finished", "finished", "finished"]
    (row,) = rows[rows["status"] == "failed"].itertuples()
    assert (row.optimizer, row.seed, row.error) == ("dba", 0, "ValueError: no such luck")
    alone = dba(*command)
    assert (alone.code, alone.err.splitlines()[-2:]) == (1, summary)
    retried = dba(*command, "--retry-failed")
    assert retried.code == 0
    assert len(finished(Path("results/tiny_sweep"))) == 6
    assert dba(*command).code == 0


def test_jobs_of_dba_run(dba, config):
    assert dba("run", config, "--jobs", 2, "--quiet").code == 0
    records = [json.loads(path.read_text()) for path in Path("results").rglob("result.json")]
    assert len(records) == 6
    assert {record["device"]["threads"] for record in records} == {1}
