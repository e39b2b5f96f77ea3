"""dba audit, through the command: wrong labels come first, nothing of the data changes, it goes on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import roc_auc_score

import dba_cli
from dba_cli.errors import UserError
from dba_cli.labels import MemoryTraining
from tests.cli.conftest import Answer

DBA = Callable[..., Answer]


def spoiled(labels: npt.NDArray[np.int64], rate: float) -> npt.NDArray[np.int64]:
    """The labels, of which a share is another class."""
    noise, classes = np.random.default_rng(0), int(labels.max()) + 1
    wrong = noise.permutation(len(labels))[: round(rate * len(labels))]
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + noise.integers(1, classes, len(wrong))) % classes
    return changed


def content(path: Path) -> dict[str, tuple[str, int]]:
    """What lies at a path: names, digests and times."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {
        str(each): (hashlib.sha256(each.read_bytes()).hexdigest(), each.stat().st_mtime_ns)
        for each in files
        if each.is_file()
    }


@pytest.fixture
def digits(tmp_path: Path) -> tuple[Path, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A file of digits with a tenth of the labels wrong; the labels, and the right ones."""
    found = load_digits()
    labels = spoiled(found.target, 0.1)
    path = tmp_path / "digits.npz"
    np.savez(path, x=found.images, y=labels)
    return path, labels, found.target


def test_wrong_labels_of_a_file_come_first(
    dba: DBA, digits: tuple[Path, npt.NDArray[np.int64], npt.NDArray[np.int64]]
) -> None:
    path, labels, right = digits
    before = content(path)
    answer = dba("audit", path, "--top", 20)
    assert (answer.code, answer.err) == (0, "")
    assert content(path) == before
    folder = Path("results/digits_audit")
    assert sorted(each.name for each in folder.iterdir()) == ["labels.csv", "labels.html"]
    ranking = pd.read_csv(folder / "labels.csv")
    assert list(ranking.columns) == ["sample", "label", "likely_label", "score"]
    at = ranking["sample"].str.extract(r"(\d+)")[0].astype(int).to_numpy()
    assert sorted(at) == list(range(len(labels)))
    assert (ranking["label"] == labels[at]).all()
    wrong = (labels != right)[at]
    assert roc_auc_score(wrong, ranking["score"]) > 0.99
    assert wrong[:100].mean() >= 0.97
    assert (ranking["likely_label"] == right[at])[wrong].mean() > 0.9
    page = (folder / "labels.html").read_text()
    assert page.count("data:image/png;base64,") == 20
    assert "http" not in page
    assert f"contradicts {(ranking['score'] > 0).sum()} of 1,797 labels" in answer.out
    again = dba_cli.audit(path, results="again")  # Python gives the same, to the digit
    assert again.to_csv(index=False) == (folder / "labels.csv").read_text()


def test_a_folder_with_a_test_part_is_audited_whole(dba: DBA, tmp_path: Path) -> None:
    found, root = load_digits(n_class=3), tmp_path / "photos"
    labels = spoiled(found.target[:300], 0.1)
    names = ["a&b", "<i>one", "two"]
    for i, (image, label) in enumerate(zip(found.images, labels, strict=False)):
        folder = root / ("test" if i % 4 == 0 else "train") / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{i:04}.png")
    before = content(root)
    assert dba("audit", root, "--quiet", "--seed", 3, "--set", "optimizers.adam.lr=0.01").code == 0
    assert content(root) == before
    ranking = pd.read_csv("results/photos_audit/labels.csv")
    at = ranking["sample"].str.extract(r"(\d+)\.png")[0].astype(int).to_numpy()
    assert all((root / sample).is_file() for sample in ranking["sample"])
    assert (labels != found.target[:300])[at][:25].mean() > 0.9
    page = Path("results/photos_audit/labels.html").read_text()
    assert "&lt;i&gt;one" in page
    assert "<i>one" not in page


def test_a_table_has_a_list(dba: DBA, tmp_path: Path) -> None:
    table = load_breast_cancer(as_frame=True)
    labels = spoiled(table.target.to_numpy(), 0.1)
    path = tmp_path / "cancer.csv"
    table.frame.drop(columns="target").assign(finding=np.array(["=bad()", "good"])[labels]).to_csv(
        path, index=False
    )
    answer = dba("audit", path, "--target", "finding")
    assert answer.code == 0
    ranking = pd.read_csv("results/cancer_audit/labels.csv")
    assert set(ranking["label"]) == {"'=bad()", "good"}  # no formula where a spreadsheet opens it
    wrong = dict(enumerate(labels != table.target.to_numpy()))
    first = ranking["sample"].str.extract(r"(\d+)")[0].astype(int)
    offset = first.min()
    assert np.mean([wrong[row - offset] for row in first[:40]]) > 0.85
    page = Path("results/cancer_audit/labels.html").read_text()
    assert "data:image/png" not in page
    assert page.count("<tr>") == 101


def test_a_recorded_run_is_audited_by_what_it_was_trained_on(recorded: DBA) -> None:
    answer = recorded("audit", "results/tiny/dba/seed-1")
    assert answer.code == 0
    ranking = pd.read_csv("results/tiny_dba_seed-1_audit/labels.csv")
    assert len(ranking) == 20
    assert sorted(ranking["label"]) == sorted([*range(10), *range(10)])
    assert ranking["sample"].str.fullmatch(r"train\[\d+\]").all()
    for option in (["--seed", 3], ["--target", "x"], ["--set", "model.hidden=[3]"]):
        assert "leave it out" in recorded("audit", "results/tiny/dba/seed-1", *option).refused()
    assert "name one of them" in recorded("audit", "results/tiny").refused()


def test_an_audit_that_was_stopped_goes_on(
    dba: DBA,
    digits: tuple[Path, npt.NDArray[np.int64], npt.NDArray[np.int64]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    advance = MemoryTraining.advance

    def stopped(training: MemoryTraining) -> bool:
        if training.epoch == 15:
            raise KeyboardInterrupt
        return advance(training)

    with monkeypatch.context() as patch:
        patch.setattr("dba_cli.labels._audit._SAVE_SECONDS", 0)
        patch.setattr(MemoryTraining, "advance", stopped)
        answer = dba("audit", digits[0])
    assert answer.code == 130
    assert "goes on" in answer.err
    assert [each.name for each in Path("results/digits_audit").iterdir()] == ["state.pt"]
    assert "Goes on after epoch 15 of 25" in dba("audit", digits[0]).out
    assert not Path("results/digits_audit/state.pt").exists()

    def full(*arguments: object) -> None:
        raise UserError("state.pt: cannot be written (No space left on device)")

    with monkeypatch.context() as patch:  # a disk that is full costs the state, not the audit
        patch.setattr("dba_cli.labels._audit._SAVE_SECONDS", 0)
        patch.setattr("dba_cli.labels._audit.write_checkpoint", full)
        answer = dba("audit", digits[0], "--results", "whole")
    assert answer.code == 0
    assert "No space left on device); the audit goes on" in answer.err
    assert (
        content(Path("whole/digits_audit/labels.csv")).popitem()[1][0]
        == (content(Path("results/digits_audit/labels.csv")).popitem()[1][0])
    )


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("missing.npz", ["missing.npz"]),
        ("digits.npz --target y", ["digits.npz", "column of a CSV"]),
        ("digits.npz --top 0", ["--top"]),
        ("digits.npz --set training.epochs=3", ["training.epochs=3", "training.batch_size"]),
        ("digits.npz --set model.kind=mpl", ["did you mean 'mlp'?"]),
        ("digits.npz --results digits.npz", ["digits.npz", "cannot be written"]),
        ("own --results own", ["own/own_audit", "lies in own"]),
    ],
)
def test_what_is_refused(
    dba: DBA,
    digits: tuple[Path, npt.NDArray[np.int64], npt.NDArray[np.int64]],
    arguments: str,
    parts: list[str],
) -> None:
    for label in ("a", "b"):
        Path("own", label).mkdir(parents=True)
        for i in range(3):
            Image.new("L", (8, 8), 40 * i).save(f"own/{label}/{i}.png")
    before = content(Path())
    message = dba("audit", *arguments.split()).refused()
    assert all(part in message for part in parts), message
    assert content(Path()) == before
