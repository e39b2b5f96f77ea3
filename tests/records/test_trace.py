"""The trace: what goes in comes out, small, and whatever is wrong with the file is one line."""

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dba_cli.errors import UserError
from dba_cli.records import RunFolder, read_predictions, read_trace, write_arrays
from dba_cli.training import SelectionRecorder

Step = tuple[list[int], list[list[bool]]]


@st.composite
def _steps(draw: st.DrawFn) -> tuple[list[str], list[Step]]:
    layers = draw(
        st.lists(st.text(min_size=1, max_size=9).filter(lambda t: "\0" not in t), unique=True, max_size=3)
    )
    largest = draw(st.sampled_from([1, 300, 60_000, 2**40]))
    steps = []
    for size in draw(st.lists(st.integers(0, 20), max_size=6)):
        images = draw(st.lists(st.integers(0, largest - 1), min_size=size, max_size=size))
        bits = [draw(st.lists(st.booleans(), min_size=size, max_size=size)) for _ in layers]
        steps.append((images, bits))
    return (layers if steps else []), steps


def written(folder: Path, layers: list[str], steps: list[Step]) -> Path:
    recorder = SelectionRecorder()
    for images, bits in steps:
        weights = {layer: torch.tensor(row) for layer, row in zip(layers, bits, strict=True)}
        recorder.add(torch.tensor(images, dtype=torch.int64), SimpleNamespace(weights=weights))
    recorder.write(RunFolder(folder), torch.zeros(1, 2))
    return folder / "trace.npz"


@given(_steps())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out_by_image_in_each_step(tmp_path: Path, content: Any) -> None:
    layers, steps = content
    trace = read_trace(written(tmp_path, layers, steps))
    assert trace.layers == layers
    found = [
        (step, image, *(bool(trace.chosen[layer][i]) for layer in layers))
        for i, (step, image) in enumerate(zip(trace.steps.tolist(), trace.images.tolist(), strict=True))
    ]
    expected = []
    for number, (images, bits) in enumerate(steps, start=1):
        order = sorted(range(len(images)), key=images.__getitem__)  # equal ones in their order
        expected += [(number, images[i], *(row[i] for row in bits)) for i in order]
    assert found == expected


def test_a_batch_that_the_caller_uses_again_is_not_looked_at_later(tmp_path: Path) -> None:
    recorder, images, bits = SelectionRecorder(), torch.arange(4), torch.tensor([True, False, True, True])
    recorder.add(images, SimpleNamespace(weights={"a": bits}))
    images[:], bits[:] = 9, False
    recorder.write(RunFolder(tmp_path), torch.zeros(1, 2))
    trace = read_trace(tmp_path / "trace.npz")
    assert trace.images.tolist() == [0, 1, 2, 3]
    assert trace.chosen["a"].tolist() == [True, False, True, True]


def test_it_takes_few_bits(tmp_path: Path) -> None:
    """500 epochs on 600 images in batches of 100, with two layers that choose at random: the worst case."""
    random = np.random.default_rng(0)
    steps = []
    for _ in range(500):
        shuffled = random.permutation(600)
        steps += [
            (shuffled[i : i + 100].tolist(), (random.random((2, 100)) < 0.5).tolist())
            for i in range(0, 600, 100)
        ]
    path = written(tmp_path, ["a", "b"], steps)
    # One bit for each layer is what randomness cannot do without; the image's number is at most five more.
    assert 8 * path.stat().st_size / 300_000 < 7


def test_the_same_steps_are_the_same_bytes(tmp_path: Path) -> None:
    steps: list[Step] = [([3, 1], [[True, False]]), ([2], [[True]])]
    one, other = (written(tmp_path / name, ["a"], steps).read_bytes() for name in ("one", "other"))
    assert one == other


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    steps = [(random.permutation(50)[:7].tolist(), (random.random((2, 7)) < 0.5).tolist()) for _ in range(4)]
    return written(tmp_path, ["a", "b"], steps)


def fault(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_trace(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


def test_cut_off_anywhere(trace: Path) -> None:
    content = trace.read_bytes()
    for length in range(0, len(content), 7):
        trace.write_bytes(content[:length])
        assert "--overwrite" in fault(trace)


def test_a_changed_byte_is_noticed_or_changes_nothing(trace: Path) -> None:
    content, before = trace.read_bytes(), read_trace(trace)
    refusals = 0
    for place in range(0, len(content), 3):
        changed = bytearray(content)
        changed[place] ^= 0x5A
        trace.write_bytes(bytes(changed))
        try:
            after = read_trace(trace)
        except UserError:
            refusals += 1
            continue
        assert after.images.tolist() == before.images.tolist()
        assert all(after.chosen[layer].tolist() == before.chosen[layer].tolist() for layer in "ab")
    assert refusals > 100


def archive(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


GOOD = {
    "sizes": np.array([3, 1], np.uint32),
    "gaps": np.array([0, 1, 1, 5], np.uint8),
    "layers": np.array(["a"]),
    "chosen0": np.array([0b10100000, 0b10000000], np.uint8),
}


def test_the_format_by_hand(tmp_path: Path) -> None:
    trace = read_trace(archive(tmp_path / "t.npz", **GOOD))
    assert (trace.images.tolist(), trace.steps.tolist()) == ([0, 1, 2, 5], [1, 1, 1, 2])
    assert trace.chosen["a"].tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": np.array([3, 2])},
        {"sizes": np.array([[3, 1]])},
        {"sizes": np.array([5, -1])},
        {"gaps": np.zeros((2, 2), np.uint8)},
        {"gaps": np.array(["a"] * 4)},
        {"layers": np.array(["a", "b"])},
        {"chosen0": np.array([0], np.uint8)},
        {"chosen0": np.array([0, 0, 0], np.uint8)},
        {"chosen0": np.array([0.5, 0.5])},
        {"sizes": None},
        {"layers": np.array([print], dtype=object)},  # no pickle is ever loaded
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_together(tmp_path: Path, change: dict[str, Any]) -> None:
    arrays = {name: array for name, array in {**GOOD, **change}.items() if array is not None}
    assert "damaged" in fault(archive(tmp_path / "t.npz", **arrays))


def test_a_header_that_asks_for_all_memory(tmp_path: Path) -> None:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<i8", "fortran_order": False, "shape": (2**50,)})
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("sizes.npy", member.getvalue())
    assert "damaged" in fault(path)


def test_what_is_not_there_and_what_is_no_file(tmp_path: Path) -> None:
    assert "training.trace: true" in fault(tmp_path / "trace.npz")
    (tmp_path / "file").write_text("")
    assert "training.trace: true" in fault(tmp_path / "file" / "trace.npz")
    assert "cannot be read" in fault(tmp_path)


def test_predictions(tmp_path: Path, trace: Path) -> None:
    path = tmp_path / "predictions.npz"
    write_arrays(path, {"predicted": np.array([3, 0, 9], np.uint8)})
    assert read_predictions(path).tolist() == [3, 0, 9]
    with pytest.raises(UserError, match="damaged predictions"):
        read_predictions(trace)
    archive(path, predicted=np.array([0.5]))
    with pytest.raises(UserError, match="damaged predictions"):
        read_predictions(path)
