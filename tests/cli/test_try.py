"""`dba try`, the real command on small real data: from a file or a folder to a verdict, and on from there."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris

import dba_cli

from .conftest import Answer

Dba = Callable[..., Answer]
QUICK = ("--jobs", 1, "--minutes", 0.1, "--set", "training.steps=20", "--set", "seeds=0-2")


def digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return (found.images[:n] * 15).astype(np.uint8), found.target[:n]


def content(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return {str(file): sha256(file.read_bytes()).hexdigest() for file in files}


def errors(folder: Path, optimizer: str) -> list[int]:
    """Return the test errors of the compared runs, by seed."""
    records = [
        json.loads(file.read_text()) for file in sorted(folder.glob(f"{optimizer}/seed-*/result.json"))
    ]
    assert [record["seed"] for record in records] == [0, 1, 2]
    return [record["final"]["test_errors"] for record in records]


def test_from_an_npz_to_a_verdict_and_on_from_there(dba: Dba) -> None:
    images, labels = digits(240)
    np.savez("digits.npz", x=images, y=labels)
    before = content(Path("digits.npz"))
    answer = dba("try", "digits.npz", *QUICK, "--results", "r")
    assert answer.code == 0, answer
    folder = Path("r/digits_try")
    assert "240 images, 8 x 8 pixels, grey; 10 classes" in answer.out
    assert "Network: mlp. Tested on hold-outs of 20 % of each class" in answer.out
    # What was chosen was chosen on samples that no run of the comparison is tested on; each had one budget.
    plan = json.loads((folder / "plan.json").read_text())
    tuning = sorted(folder.glob("digits_rates_*"))
    assert [path.name for path in tuning] == ["digits_rates_1", "digits_rates_2"]
    for path in tuning:
        runs = [json.loads(file.read_text()) for file in path.glob("*/seed-*/result.json")]
        assert {run["data"]["evaluated_on"] for run in runs} == {"validation"}
        assert len(runs) == 2 * plan["rates"] * plan["tuning"]
    # The sentence, by hand: paired differences, and the corrected resampled t interval of three splits.
    best = re.search(r"the best of SGD and Adam \((\w+)\), paired over 3 splits", answer.out)[1].lower()
    points = [
        100 * (b - a) / 48
        for a, b in zip(errors(folder / "digits", "dba"), errors(folder / "digits", best), strict=True)
    ]
    half = 4.302653 * np.std(points, ddof=1) / 3**0.5 * (1 + 3 * 48 / 192) ** 0.5
    said = f"DBA made {abs(np.mean(points)):.1f} ± {half:.1f} points"
    assert said in answer.out
    assert ("No difference shown" in answer.out.split(said)[0]) == (abs(np.mean(points)) <= half)
    assert said in (folder / "report.html").read_text(encoding="utf-8")
    # From the config dba run goes on; other data, and another trial under the name, are refused.
    more = dba("run", folder / "config.yaml", "--results", folder, "--set", "seeds=0-3", "--quiet")
    assert (more.code, len(list(folder.glob("digits/*/seed-*/result.json")))) == (0, 16)
    np.savez("digits.npz", x=images[::-1], y=labels)
    changed = dba("run", folder / "config.yaml", "--results", folder)
    assert "its content is not that of before (data.sha256" in changed.refused()
    assert "holds a trial of other data" in dba("try", "digits.npz", *QUICK, "--results", "r").refused()
    np.savez("digits.npz", x=images, y=labels)
    other = dba("try", "digits.npz", *QUICK, "--results", "r", "--set", "model.hidden=[8]")
    assert "holds a trial of another overrides; give another --name, or --overwrite" in other.refused()
    assert content(Path("digits.npz")) == before


def test_a_folder_with_a_test_part_and_the_same_from_python(dba: Dba, tmp_path: Path) -> None:
    images, labels = digits(150)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        part = tmp_path / "photos" / ("test" if i % 3 == 0 else "train") / f"digit {label}"
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(part / f"{i}.png")
    before = content(tmp_path / "photos")
    model = {"kind": "cnn", "channels": [4], "groups": 2}
    sets = [f"model={json.dumps(model)}", "training.steps=5", "seeds=0-1"]
    answer = dba("try", "photos", "--jobs", 1, "--minutes", 0.1, "--results", "r",
                 *(each for text in sets for each in ("--set", text)))  # fmt: skip
    assert answer.code == 0, answer
    verdict = dba_cli.try_data(  # goes on where there is nothing left to do
        Path("photos"),
        overrides=sets,
        results=Path("r"),
        jobs=1,
        minutes=0.1,
    )
    assert verdict.sentence in answer.out
    frame = verdict.frame
    assert list(frame["optimizer"]) == ["sgd", "adam", "dba", "random"]
    assert set(frame["n_train"]) == {100}
    assert set(frame["n_test"]) == {50}
    assert "paired over 2 seeds" in verdict.sentence
    assert "not of other test parts" in verdict.notes[-1]
    assert verdict.report.is_file()
    assert content(tmp_path / "photos") == before


def test_a_killed_trial_goes_on_by_its_plan(dba: Dba, tmp_path: Path) -> None:
    frame = load_iris(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    frame.to_csv("iris.csv", index=False)
    options = ["iris.csv", "--target", "target", *map(str, QUICK), "--set", "seeds=0-1", "--results", "r"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dba_cli", "try", *options],
        cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(dba_cli.__file__).parents[1])},
    )  # fmt: skip
    folder = Path("r/iris_try")
    until = time.monotonic() + 60
    while len(list(folder.glob("*/*/*/result.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("*/*/*/result.json")}
    plan = (folder / "plan.json").read_text()
    assert len(kept) >= 3
    answer = dba("try", *options)
    assert answer.code == 0, answer
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert (folder / "plan.json").read_text() == plan
    assert "iris.csv: 150 samples of a table, 4 features; 3 classes, 50 of each" in answer.out
    assert "! Exact copies among the training samples: 1" in answer.out
    assert "DBA made " in answer.out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["nothing"], "no such folder or file"),
        (["one"], "at least two classes"),
        (["wine.csv"], "which column holds the classes"),
        (["digits.npz", "--minutes", 0], "--minutes 0: out of range"),
        (["digits.npz", "--name", "a/b"], "give a folder's name"),
        (["digits.npz", "--set", "model.kind=cn"], "did you mean 'cnn'?"),
        (["digits.npz", "--set", "optimizers.dba.rule=largest"], "did you mean"),
        (["digits.npz", "--set", "training.deformation.hue=2"], "training.deformation.hue"),
        (["digits.npz", "--set", "training.batch_size=30"], "batch_size 30 is more than the"),
        (["digits.npz", "--set", "data.evaluate_on=validation"], "data.evaluate_on: what a trial"),
        (["digits.npz", "--set", "optimizers=[{name: dba, kind: dba, base: {kind: adam}}]"], "that does not"),
        (["digits.npz", "--name", "x" * 90], "--name"),
        (["two", "--results", "two/r"], "lies in two, in which nothing is written"),
        (["digits.npz", "--set", "model={kind: 'torchvision:inception_v3'}"], "cannot be classified"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(dba: Dba, arguments: list[object], fault: str) -> None:
    images, labels = digits(40)
    np.savez("digits.npz", x=images, y=labels)
    Path("wine.csv").write_text("a,b\n1,2\n3,4\n")
    for path in ("one/cat/1.png", *(f"two/{name}/{i}.png" for name in ("cat", "dog") for i in range(2))):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[0]).save(path)
    answer = dba("try", "--jobs", 1, "--results", "r", *arguments)
    assert fault in answer.refused()
    assert not Path("r").exists()
    assert not Path("two/r").exists()


def test_where_an_optimizer_diverges_at_every_rate_its_key_is_named(dba: Dba) -> None:
    images, labels = digits(60)
    np.savez("digits.npz", x=images, y=labels)
    wild = ("--set", "optimizers.sgd.lr=1000", "--set", "model.hidden=[300, 300, 300, 300, 300]")
    answer = dba("try", "digits.npz", *QUICK, *wild, "--results", "r", "--set", "seeds=[0]")
    assert "sgd diverged at every learning rate (100, 300, 1000): give smaller ones" in answer.refused()
    assert "--set optimizers.sgd.lr=1, and another --name" in answer.err
