"""Every wrong use is one line on stderr, with what is wrong and what to do, and exit code 2.

Which values a config may have is tested in tests/config, what a damaged record is in tests/records.
"""

import os
import shlex
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("rn tiny.yaml", ["'rn'", "'run'"]),
        ("run", ["CONFIG", "dba run --help"]),
        ("run missing.yaml", ["missing.yaml: no such file"]),
        ("run tiny.yml", ["tiny.yml: no such file", "did you mean 'tiny.yaml'?"]),
        ("run tiny.yaml --reslts x", ["--reslts", "--results"]),
        ("run tiny.yaml again.yaml", ["'tiny'", "two of these configs"]),
        ("run tiny.yaml --optimizer adamm", ["--optimizer adamm", "did you mean 'adam'?"]),
        ("run tiny.yaml --seed 7", ["--seed 7", "0-1"]),
        ("run tiny.yaml --seed one", ["--seed", "'one'", "0-4"]),
        ("run tiny.yaml --set training.epoch=5", ["--set training.epoch=5", "did you mean 'epochs'?"]),
        ("run tiny.yaml --device cuda", ["--device cuda", "choose from cpu"]),
        ("run tiny.yaml --results taken", ["taken: cannot be written"]),
        ("run cut.yaml", ["cut.yaml:", "not valid YAML"]),
        ("run tiny.yaml --set data.source=auto --data damaged", ["train-images-idx3", "dba data fetch"]),
        ("sweep tiny.yaml", ["nothing to sweep", "--grid KEY=V1,V2"]),
        ("sweep tiny.yaml --grid training.epoch=1,2", ["--grid training.epoch=", "mean 'epochs'?"]),
        ("sweep tiny.yaml --grid training.epochs=1,2 --random 3", ["3 points of 2"]),
        ("sweep tiny.yaml --grid training.epochs=1,2 --jobs 0", ["--jobs", "1"]),
        ("sweep tiny.yaml --grid training.epochs=1,2 --backend dask", ["--backend", "'dask'", "ray"]),
        ("sweep tiny.yaml --grid training.epochs=1,2 --address auto", ["--address auto", "--backend ray"]),
        ("sweep tiny.yaml --grid training.epochs=1,2 --name ../up", ["--name ../up"]),
        ("sweep tiny.yaml --grid training.batch_size=10,30", ["batch_size 30", "at most 20"]),
        ("demo --steps 0", ["--steps"]),
        ("demo --results taken", ["taken"]),
        ("report --output none.html", ["results"]),
        ("data verify", ["missing"]),
        ("data fetch", ["DBA_OFFLINE"]),
        *((f"data {command} --dataset cifar", ["'cifar'"]) for command in ("status", "fetch", "verify")),
    ],
)
def test_before_anything_is_trained_or_written(dba, config, command, parts, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name, old, new in (("again", "", ""), ("cut", "[8]", "[8")):
        config.with_name(f"{name}.yaml").write_text(config.read_text().replace(old, new, 1))
    Path("taken").write_text("a file, where the folder should be")
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        path = Path("damaged/MNIST/raw", f"{name}-ubyte")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\0\x08\x03")
    before = files()
    line = dba(*shlex.split(command)).refused()
    assert [part for part in parts if part not in line] == [], line
    assert files() == before


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("run tiny.yaml --set training.epochs=4", ["another config", "--overwrite", "--results"]),
        ("sweep tiny.yaml --grid training.epochs=1,2 --name tiny", ["holds an experiment", "--name"]),
        ("compare tyny", ["tyny", "did you mean 'tiny'?"]),
        ("compare --format html", ["--format", "'html'", "markdown"]),
        ("compare --results nowhere", ["nowhere", "dba run"]),
        ("compare --output tiny.yaml/x.md", ["tiny.yaml", "cannot be written"]),
        ("plot tyny", ["tyny", "did you mean 'tiny'?"]),
        ("plot --format gif", ["'gif'", "png", "svg"]),
        ("plot --kind curvs", ["curvs", "did you mean 'curves'?"]),
        ("plot --target 90", ["--target 90", "0.9"]),
        ("plot --target nan", ["--target nan"]),
        ("plot --optimizer dbo", ["dbo", "did you mean 'dba'?"]),
        ("plot --results nowhere", ["nowhere", "dba run"]),
        ("plot --output tiny.yaml", ["tiny.yaml", "cannot be written"]),
        ("inspect results/tiny", ["one of its 6", "results/tiny/adam/seed-0"]),
        ("inspect missing.yaml", ["missing.yaml: no such file"]),
        ("inspect results/tiny/dba/seed-0 --set seeds=3", ["--set seeds=3", "is no config"]),
    ],
)
def test_of_what_is_recorded(recorded, config, command, parts):
    before = files()
    line = recorded(*shlex.split(command)).refused()
    assert [part for part in parts if part not in line] == [], line
    assert files() == before


@pytest.mark.parametrize(
    ("name", "content", "commands", "part"),
    [
        ("result.json", b'{"format": 2}', ["run tiny.yaml", "compare", "plot", "report"], "damaged record"),
        ("result.json", b"\0\xff", ["run tiny.yaml", "compare", "inspect {run}"], "damaged record"),
        ("history.csv", b"step\n1\n", ["plot", "inspect {run}"], "damaged record"),
        ("trace.npz", b"PK", ["plot"], "damaged"),
        ("predictions.npz", b"", ["plot"], "damaged"),
        ("../../experiment.json", b'{"format"', ["compare"], "damaged record"),
    ],
)
def test_damage(recorded, config, name, content, commands, part):
    run = Path("results/tiny/dba/seed-0")
    whole = (run / name).read_bytes()
    (run / name).write_bytes(content)
    for command in commands:
        line = recorded(*command.format(run=run).split()).refused()
        assert line.startswith(os.path.normpath(run / name))
        assert part in line
    if name == "../../experiment.json":  # the plan is written again, a result only where there is none
        assert recorded("run", config, "--quiet").code == 0
        assert (run / name).read_bytes() == whole
    elif name == "result.json":
        (run / name).unlink()
        assert "has not finished" in recorded("inspect", run).refused()
        assert recorded("run", config, "--quiet").code == 0
        assert (run / name).exists()


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
