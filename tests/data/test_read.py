"""A person's own data: folders of images, .npz and CSV, sound and broken."""

import io
import os
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from dba_cli.data import Samples, _samples, findings, read_data
from dba_cli.errors import UserError, printable

FEW = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MIB = 2**20


@contextmanager
def little_memory(limit: int = 40 * MIB) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def refused(path: Path, target: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_data(path, target)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def right_or_refused(path: Path, target: str | None = None) -> Samples | None:
    """What damage may lead to: samples that fit together, or one line."""
    try:
        with little_memory():
            found = read_data(path, target)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either is right)
        return None
    for part in (found, found.test):
        if part is not None:
            assert len(part.samples) == len(part.labels) == len(part.sources)
            assert int(part.labels.max()) < len(part.classes)
    return found


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


# Folders of images


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write images, given by their paths, below a folder."""

    def write(files: dict[str, Any], name: str = "photos") -> Path:
        for path, pixels in files.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
            image.save(place)
        return tmp_path / name

    return write


def noise(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, shape or (6, 5), dtype=np.uint8)


def classes_of(n: int = 3, *shape: int) -> dict[str, Any]:
    kinds = (0, "cat"), (100, "dog")
    return {f"{name}/{i}.png": noise(seed + i, *shape) for seed, name in kinds for i in range(n)}


@FEW
@given(data=st.data())
def test_every_pixel_of_a_folder_is_read_back(tmp_path_factory: Any, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("folder")
    size = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    channels = data.draw(st.sampled_from([(), (3,)]))
    names = data.draw(st.lists(st.from_regex(r"[A-Za-z0-9ä ]{1,8}", fullmatch=True), min_size=4, max_size=9))
    parts = data.draw(st.sampled_from([("",), ("train",), ("train", "test")]))
    expected: dict[str, list[Any]] = {}
    for part in parts:
        expected[part] = []
        for label in ("b", "a"):
            for i, name in enumerate(names):
                path = root / part / label / f"{i}{name}.{data.draw(st.sampled_from(['png', 'bmp', 'PPM']))}"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = data.draw(arrays.arrays(np.uint8, size + channels))
                Image.fromarray(pixels).save(path)
                expected[part].append((str(path.relative_to(root)), label, pixels))
    before = contents(root)
    found = read_data(root)
    assert contents(root) == before
    assert found.classes == ("a", "b")
    assert found.notes == ()
    for part, samples in zip(parts, (found, found.test), strict=False):
        assert samples is not None
        files = sorted(expected[part], key=lambda file: Path(file[0]).parts)
        assert samples.sources == tuple(path for path, *_ in files)
        assert [samples.classes[i] for i in samples.labels] == [label for _, label, _ in files]
        wanted = np.stack([np.atleast_3d(pixels).transpose(2, 0, 1) for *_, pixels in files])
        assert samples.samples.dtype == torch.uint8
        assert np.array_equal(samples.samples.numpy(), wanted)
    assert (found.test is None) == (len(parts) < 2)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm"])
def test_a_file_cut_off_anywhere_is_refused_or_right(folder: Callable[..., Path], suffix: str) -> None:
    root = folder({**classes_of(2, 8, 8, 3), f"cat/x.{suffix}": noise(7, 8, 8, 3)})
    whole, file = read_data(root), root / "cat" / f"x.{suffix}"
    content = file.read_bytes()
    step = max(1, len(content) // 60)
    for end in [*range(0, len(content), step), len(content) - 1]:
        file.write_bytes(content[:end])
        found = right_or_refused(root)
        if found is not None and suffix not in ("gif", "webp", "tif"):
            assert found.sha256 == whole.sha256


STARTS = {b"": "png", b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"BM": "bmp", b"P6 9 9 ": "ppm"}


@FEW
@given(
    junk=st.binary(max_size=300),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"P6 9 9 "]),
)
def test_bytes_that_are_no_image(tmp_path: Path, junk: bytes, start: bytes) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(1, 2, 2)).save(tmp_path / name)
    for old in (tmp_path / "b").glob("2.*"):
        old.unlink()
    (tmp_path / "b" / f"2.{STARTS[start]}").write_bytes(start + junk)
    right_or_refused(tmp_path)


def test_orientation_palettes_transparency_and_grey_among_colour(folder: Callable[..., Path]) -> None:
    colour = noise(3, 4, 6, 3)
    turned = Image.fromarray(np.rot90(colour, 1).copy())  # on its side, and EXIF says so
    exif = turned.getexif()
    exif[0x0112] = 6
    alpha = np.dstack([colour, np.full((4, 6), 255, np.uint8)])
    alpha[0, 0, 3] = 0
    root = folder({"a/1.png": colour, "a/2.png": colour[..., 0], "b/1.png": alpha})
    turned.save(root / "b" / "2.png", exif=exif)
    Image.fromarray(colour[..., 0]).convert("P").save(root / "b" / "3.png")
    found = read_data(root).samples.numpy()
    assert np.array_equal(found[3].transpose(1, 2, 0), colour)
    assert np.array_equal(found[1], np.repeat(colour[None, ..., 0], 3, axis=0))
    assert np.array_equal(found[4], found[1])
    assert found[2, :, 0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(found[2, :, 1:], found[0, :, 1:])
    notes = " ".join(read_data(root).notes)
    assert "2 of 5 images are grey" in notes
    assert "1 of 5 images are partly transparent" in notes


def test_what_is_hidden_or_left_by_a_system_is_passed_over(folder: Callable[..., Path]) -> None:
    root = folder(classes_of())
    before = read_data(root)
    for name in (".DS_Store", "cat/.hidden.png", "cat/Thumbs.db", ".git/x.png", "README.md"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"what?")
    assert read_data(root).sha256 == before.sha256


def test_names_that_break_lines_are_shown_escaped(folder: Callable[..., Path]) -> None:
    root = folder({**classes_of(), "fox\x1b[31m/a\nb.png": noise(1), "fox\x1b[31m/c.png": noise(1)})
    (root / "fox\x1b[31m").rename(root / os.fsdecode(b"fox\xff\x1b"))
    found = read_data(root)
    assert found.classes == ("cat", "dog", r"fox\udcff\x1b")
    assert found.sources[-2] == r"fox\udcff\x1b/a\nb.png"
    assert all(line.isprintable() and line.encode() for line in findings(found))
    found.sha256  # noqa: B018 (of names that UTF-8 has no bytes for)


def test_an_image_is_known_by_its_bytes_not_by_its_name(folder: Callable[..., Path]) -> None:
    root = folder(classes_of(3, 6, 5, 3))
    Image.fromarray(noise(7, 6, 5, 3)).save(root / "cat" / "9.png", "jpeg")
    assert len(read_data(root)) == 7


def test_links_within_the_folder_are_read(folder: Callable[..., Path]) -> None:
    root = folder(classes_of())
    (root / "cat" / "9.png").symlink_to("../dog/0.png")
    assert read_data(root).sources[3] == "cat/9.png"


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares such a size, with the data of none."""
    image = io.BytesIO()
    Image.new("L", (1, 1)).save(image, "png")
    content = bytearray(image.getvalue())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


def spoil(root: Path, how: str) -> None:
    match how:
        case "one class":
            for file in (root / "dog").iterdir():
                file.unlink()
            (root / "dog").rmdir()
        case "link out":
            (root.parent / "else.png").write_bytes((root / "cat/0.png").read_bytes())
            (root / "cat" / "9.png").symlink_to(root.parent / "else.png")
        case "link to a folder":
            (root.parent / "elsewhere").mkdir()
            (root / "fox").symlink_to(root.parent / "elsewhere")
        case "link to nowhere":
            (root / "cat" / "9.png").symlink_to("nowhere.png")
        case "link to itself":
            (root / "cat" / "9.png").symlink_to("9.png")
        case "another size":
            Image.fromarray(noise(0, 7, 5)).save(root / "dog" / "9.png")
        case "bomb":
            (root / "dog" / "9.png").write_bytes(png_of(60_000, 60_000))
        case "small bomb":
            (root / "dog" / "9.png").write_bytes(png_of(9_000, 9_000))
        case "16 bits":
            Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(root / "dog" / "9.png")
        case "several images":
            frames = [Image.fromarray(noise(i)) for i in range(3)]
            frames[0].save(root / "dog" / "9.gif", save_all=True, append_images=frames[1:])
        case "a pipe":
            os.mkfifo(root / "dog" / "9.png")
        case "a program":
            (root / "dog" / "9.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
        case "a program by another name":
            (root / "dog" / "9.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
        case "text":
            (root / "dog" / "notes.txt").write_text("a note")
        case "a folder":
            (root / "dog" / "old").mkdir()
        case "no images in a class":
            (root / "fox").mkdir()
        case "outside":
            Image.fromarray(noise(0)).save(root / "9.png")
        case "no permission":
            (root / "dog" / "0.png").unlink()
            (root / "dog" / "0.png").mkdir()
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("one class", "give at least two classes"),
        ("link out", "9.png: a link out of the folder"),
        ("link to a folder", "fox: a link out of the folder"),
        ("link to nowhere", "cannot be read"),
        ("link to itself", "cannot be read"),
        ("another size", r"dog/9.png: 5 x 7 pixels, but .*cat/0.png has 5 x 6"),
        ("bomb", "decompression bomb"),
        ("small bomb", "decompression bomb"),
        ("16 bits", "8 bits"),
        ("several images", "holds 3 images"),
        ("a pipe", "no regular file"),
        ("a program", "no image by its name"),
        ("a program by another name", "no readable image"),
        ("text", "notes.txt: no image by its name"),
        ("a folder", "a folder inside a class's"),
        ("no images in a class", "fox: a class without images"),
        ("outside", "9.png: an image outside"),
        ("no permission", "a folder inside"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from(folder: Callable[..., Path], how: str, said: str) -> None:
    root = folder(classes_of())
    spoil(root, how)
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    with little_memory():
        line = refused(root)
    assert re.search(said, line), line
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


def test_parts_and_classes_that_do_not_fit(folder: Callable[..., Path], tmp_path: Path) -> None:
    parts = {f"{part}/{path}": image for part in ("train", "test") for path, image in classes_of().items()}
    root = folder(parts)
    assert read_data(root).test is not None
    (root / "val").mkdir()
    assert "neither train nor test" in refused(root)
    (root / "val").rmdir()
    (root / "test" / "cat").rename(root / "test" / "cow")
    assert "class cow has test samples and no training sample" in refused(root)
    # Where there are other folders beside it, train is a class: of vehicles.
    assert read_data(folder({**classes_of(), "train/1.png": noise(0)}, "vehicles")).classes[-1] == "train"
    many = {f"{i:03d}/0.png": noise(i) for i in range(100)}
    assert "fewer than two of each" in refused(folder(many, "faces"))
    assert "no sub-folders" in refused(tmp_path / "photos" / "test" / "dog")
    assert "no such folder or file; did you mean 'photos'?" in refused(tmp_path / "photo")


# .npz


def npz(path: Path, **values: Any) -> Path:
    np.savez(path, **values)
    return path


X, Y = noise(0, 8, 6, 5), np.arange(8) % 2
IMAGES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(
    lambda size: st.tuples(
        st.just(size), st.sampled_from([np.uint8, np.int64, np.float32, np.bool_]), st.sampled_from([0, 1, 3])
    )
)


@FEW
@given(data=st.data(), kind=IMAGES)
def test_images_of_an_npz_are_read_back(tmp_path: Path, data: st.DataObject, kind: Any) -> None:
    size, dtype, channels = kind
    last = channels and data.draw(st.booleans())
    shape = (6, *size, channels) if last else (6, channels, *size) if channels else (6, *size)
    elements = {"elements": st.floats(0, 1, width=32)} if dtype is np.float32 else {}
    elements = {"elements": st.integers(0, 255)} if dtype is np.int64 else elements
    x = data.draw(arrays.arrays(dtype, shape, **elements))
    path = npz(tmp_path / "d.npz", x=x, y=Y[:6])
    if channels and (shape[1] in (1, 3)) == (shape[3] in (1, 3)):
        assert "both could be the channels" in refused(path)
        return
    found = read_data(path).samples.numpy()
    wanted = x[:, None] if not channels else x.transpose(0, 3, 1, 2) if last else x
    scale = 255 if dtype is np.bool_ else 1
    assert found.dtype == (np.float32 if dtype is np.float32 else np.uint8)
    assert np.array_equal(found, wanted * scale)


@FEW
@given(
    labels=st.one_of(
        arrays.arrays(np.int64, 12, elements=st.integers(-3, 2)),
        arrays.arrays(np.dtype("<U6"), 12, elements=st.sampled_from(["a", "b", "zürich", "10", "9"])),
        arrays.arrays(np.bool_, 12),
    ),
    column=st.booleans(),
)
def test_labels_of_an_npz_keep_their_names_and_order(tmp_path: Path, labels: Any, column: bool) -> None:
    path = npz(tmp_path / "d.npz", x=noise(1, 12, 4, 4), y=labels[:, None] if column else labels)
    if len(set(labels.tolist())) == 1:
        assert "give at least two classes" in refused(path)
        return
    found = read_data(path)
    assert [found.classes[i] for i in found.labels] == [str(label) for label in labels]
    assert found.classes == tuple(str(label) for label in sorted(set(labels.tolist())))


def test_parts_names_tables_and_scales_of_an_npz(tmp_path: Path) -> None:
    x = np.array([[0, 2], [4, 2], [8, 2], [4, 2]])
    path = npz(
        tmp_path / "d.npz", x_train=x, y_train=[5, 7, 5, 7], x_test=x[:1], y_test=[7], columns=["a", "b"]
    )
    found = read_data(path)
    assert (found.classes, found.columns) == (("5", "7"), ("a", "b"))
    assert found.test is not None
    assert found.test.sources == ("x_test[0]",)
    root = 8**0.5
    assert np.allclose(found.samples.numpy(), [[-4 / root, 0], [0, 0], [4 / root, 0], [0, 0]])
    assert np.allclose(found.test.samples.numpy(), [[-4 / root, 0]])
    digits = read_data(
        npz(tmp_path / "digits.npz", x=np.full((4, 2, 2), 16.0), y=Y[:4], classes=["no", "yes"])
    )
    assert digits.classes == ("no", "yes")
    wide = np.array([[[-1.0, 0.0]], [[3.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.0]]])
    assert read_data(npz(tmp_path / "w.npz", x=wide, y=Y[:4])).samples[:2].flatten().tolist() == [
        0,
        0.25,
        1,
        0.5,
    ]
    huge = np.array([[1e300, 5e-324], [-1e300, 0], [0, 5e-324], [1, 0]])
    assert bool(read_data(npz(tmp_path / "h.npz", x=huge, y=Y[:4])).samples.isfinite().all())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"x": X}, "holds x: give x_train and y_train"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "give x_train and y_train"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y}, "keep x_train and x_test, or x"),
        ({"x": X, "y": Y, "z": Y}, "'z' that nothing reads"),
        ({"x": X, "y": Y[:7]}, r"y has the shape \(7,\), but labels must be \(8,\)"),
        ({"x": X, "y": Y / 2}, r"float64: labels are whole numbers or texts: save y.astype\(int\)"),
        ({"x": X, "y": np.array([None, "a"] * 4, dtype=object)}, "pickled objects"),
        ({"x": X, "y": Y * 0}, "all 8 samples are of class 0"),
        ({"x": X, "y": np.arange(8)}, "fewer than two of each"),
        ({"x": X[:0], "y": Y[:0]}, "labels must be"),
        ({"x": X[..., :0], "y": Y}, "samples are numbers"),
        ({"x": np.array(7), "y": Y}, "no readable .npz|labels must be"),
        ({"x": np.where(X > 250, np.nan, X), "y": Y}, r"is nan: fill or remove"),
        ({"x": X.astype(complex), "y": Y}, "complex128"),
        ({"x": noise(0, 8, 6, 5, 2), "y": Y}, "neither is one or three channels"),
        ({"x": X, "y": Y, "classes": ["a"]}, "classes names 1 classes"),
        ({"x": X.reshape(8, -1), "y": Y, "columns": ["a"]}, "30 different texts"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :5], "y_test": Y}, "x_train and x_test differ"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "class 2 has test samples"),
    ],
)
def test_an_npz_that_cannot_be_learnt_from(tmp_path: Path, values: Any, said: str) -> None:
    line = refused(npz(tmp_path / "d.npz", **values))
    assert re.search(said, line), line


@pytest.mark.parametrize(
    "shape", ["(65536, 256, 256)", "(65536, 65536, 65536, 65536)", "(-1, 5)", "(8, 6, 6)"]
)
@pytest.mark.parametrize("zeros", [0, 10_000_000])
def test_a_header_that_lies_takes_no_memory(tmp_path: Path, shape: str, zeros: int) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content + bytes(zeros))
    with little_memory(30 * MIB):
        line = refused(tmp_path / "d.npz")
    assert re.search("its header says|GiB that are read|no readable", line), line


@FEW
@given(data=st.data())
def test_a_damaged_npz_is_refused_or_right(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(npz(tmp_path / "d.npz", x=X, y=Y).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "d.npz").write_bytes(content)
    right_or_refused(tmp_path / "d.npz")
    (tmp_path / "d.npz").write_bytes(data.draw(st.binary(max_size=200)))
    right_or_refused(tmp_path / "d.npz")


# CSV

CSV = "age,sex,fare,died\n" + "".join(
    f"{'' if i == 3 else i},{'mf'[i % 2]},{i / 2},{'no' if i % 3 else 'yes'}\n" for i in range(12)
)


def table(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


@FEW
@given(data=st.data())
def test_a_table_is_read_back(tmp_path: Path, data: st.DataObject) -> None:
    import pandas as pd

    n = data.draw(st.integers(6, 12))
    words = st.text("abc ,;\"'\nä", min_size=1, max_size=4).map(lambda word: f"w{word}w")
    numbers = st.floats(-1e12, 1e12).map(lambda value: round(value, 6)) | st.integers(-(10**9), 10**9)
    frame = pd.DataFrame(
        {
            "a": data.draw(st.lists(numbers, min_size=n, max_size=n)),
            "b, c": data.draw(st.lists(words, min_size=n, max_size=n)),
            "t": data.draw(st.lists(st.sampled_from(["x", "y"]), min_size=n, max_size=n)),
        }
    )
    path = tmp_path / "d.csv"
    frame.to_csv(path, index=False, sep=data.draw(st.sampled_from(",;")))
    if frame["t"].nunique() == 1:
        assert "give at least two classes" in refused(path, "t")
        return
    found = read_data(path, "t")
    assert [found.classes[i] for i in found.labels] == frame["t"].tolist()
    a = frame["a"].to_numpy(float)
    wanted = (a - a.mean()) / (a.std() or 1) if np.ptp(a) else a * 0
    assert np.allclose(found.samples[:, 0], wanted, atol=1e-4)
    for name in sorted(set(frame["b, c"])):
        column = found.samples[:, found.columns.index(f"b, c: {printable(name)}")]
        inside = torch.tensor((frame["b, c"] == name).tolist())
        assert (column[inside] == column[inside][0]).all()
        assert inside.all() or (column[inside][0] > column[~inside]).all()


def test_missing_numbers_and_categories(tmp_path: Path) -> None:
    found = read_data(table(tmp_path / "d.csv", CSV), "died")
    assert found.columns == ("age", "age is missing", "sex: f", "sex: m", "fare")
    assert (found.classes, found.sources[:2]) == (("no", "yes"), ("row 2", "row 3"))
    assert found.samples.isnan().nonzero().tolist() == [[3, 0]]
    ages = np.array([i for i in range(12) if i != 3])
    filled = np.insert(ages.astype(float), 3, ages.mean())
    assert np.allclose(found.samples[:, 0].nan_to_num(), (filled - filled.mean()) / filled.std(), atol=1e-6)
    assert float(found.samples[3, 1]) > 0 > float(found.samples[2, 1])
    assert "1 of 12 numbers are missing" in found.notes[0]
    semicolons = read_data(table(tmp_path / "e.csv", CSV.replace(",", ";")), "died")
    assert semicolons.sha256 == found.sha256
    numbered = read_data(table(tmp_path / "f.csv", CSV.replace("yes", "10").replace("no", "9")), "died")
    assert numbered.classes == ("9", "10")


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        (CSV, None, "which column holds the classes"),
        (CSV, "dies", "no column 'dies'; did you mean 'died'"),
        (CSV.replace(",yes", ","), "died", "died is missing in 4 of 12 rows, the first row 2"),
        (CSV.replace("yes", "no"), "died", "all 12 samples are of class no"),
        (CSV, "fare", "holds numbers such as 0.5"),
        (CSV, "age", "age is missing in 1 of 12 rows, the first row 5"),
        (CSV.replace("\n5,f,2.5", "\n5,f,2.5,9"), "died", "row 7 has 5 cells, the header 4"),
        (CSV.replace("\n5,f,2.5,no", "\n5,f,2.5"), "died", "row 7 has 3 cells, the header 4"),
        (CSV.replace("age", "sex"), "died", "two columns are named 'sex'"),
        (CSV.replace("age", ""), "died", r"a column has no name \(row numbers\?"),
        (CSV.replace("sex", ""), "died", "a column has no name: give"),
        (CSV.replace("age", "sex: f"), "died", "two features would be called 'sex: f'"),
        (CSV.replace("0.5", "1e999"), "died", "no finite number"),
        (CSV.replace("0.5", '"0.5'), "died", "not a CSV table"),
        ("died\nyes\nno\nyes\nno\n", "died", "no column beside 'died'"),
        ("a,died\n", "died", "no rows"),
        ("", "died", "no rows"),
        ("a\0,died\n1,2\n", "died", "not a text file"),
        ("a;died\n" + "1,5;x\n2,5;y\n" * 3, "died", "write a decimal point"),
        ("a,died\n" + ",x\n,y\n" * 3, "died", "'a' is empty"),
        (
            "a,died\n" + "".join(f"name {i},{i % 2}\n" for i in range(300)),
            "died",
            "at most 256 can be categories",
        ),
        ("a,died\n" + "".join(f"1,person {i}\n" for i in range(30)), "died", "fewer than two of each"),
    ],
)
def test_a_table_that_cannot_be_learnt_from(tmp_path: Path, text: str, target: str | None, said: str) -> None:
    line = refused(table(tmp_path / "d.csv", text), target)
    assert re.search(said, line), line


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes("größe,t\n1,a\n".encode("latin-1"))
    assert "d.csv:1: not UTF-8 text" in refused(tmp_path / "d.csv", "t")
    (tmp_path / "d.zip").write_bytes(b"")
    assert "give a folder of images, a .npz or a .csv" in refused(tmp_path / "d.zip")
    assert "a target ('t') is a column of a CSV" in refused(npz(tmp_path / "d.npz", x=X, y=Y), "t")
    assert "no such folder or file" in refused(tmp_path / "\0")


@FEW
@given(data=st.data())
def test_a_damaged_table_is_refused_or_right(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(CSV.encode())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    for _ in range(data.draw(st.integers(0, 5))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "d.csv").write_bytes(content)
    right_or_refused(tmp_path / "d.csv", "died")
    (tmp_path / "d.csv").write_bytes(data.draw(st.binary(max_size=200)))
    right_or_refused(tmp_path / "d.csv", "died")


# What is suspicious


def test_findings(folder: Callable[..., Path], tmp_path: Path) -> None:
    files = {f"train/{path}": image for path, image in classes_of(12).items()}
    files |= {f"test/{path}": image + 1 for path, image in classes_of(2).items()}
    assert findings(read_data(folder(files))) == []
    for i in range(3, 12):
        del files[f"train/cat/{i}.png"]
    files["train/dog/4.png"] = files["train/cat/0.png"]
    files["test/cat/0.png"] = files["train/dog/1.png"]
    files["train/dog/5.png"] = np.full((6, 5), 9, np.uint8)
    said = findings(read_data(folder(files, "odd")))
    assert [line.partition(":")[0] for line in said] == [
        "Classes of fewer than 10 training samples",
        "Exact copies among the training samples",
        "Test samples that are training samples too",
        "Exact copies with different labels",
        "Images of one colour throughout",
    ]
    assert "cat (3)" in said[0]
    assert "train/cat/0.png and train/dog/4.png" in said[1]
    assert "train/dog/1.png and test/cat/0.png" in said[2]
    assert "2 groups" in said[3]
    assert "train/dog/5.png" in said[4]
    constant = {"x": np.c_[np.ones(40), np.arange(40)], "y": np.arange(40) < 2, "columns": ["k", "a"]}
    said = findings(read_data(npz(tmp_path / "d.npz", **constant)))
    assert "Constant in every sample: k." in said
    assert "Unbalanced: 38 samples of class False, 2 of True." in said
    rows = "".join(f"{i},{i * i},{'ab'[i % 2]},{'xy'[i % 2]}\n" for i in range(40))
    said = findings(read_data(table(tmp_path / "d.csv", "id,a,twin,t\n" + rows), "t"))
    assert said[-2:] == [
        "Numbers the rows, and tells classes where rows are sorted: id.",
        "Tells the class by itself; the target under another name? twin: a, twin: b.",
    ]
    dark = findings(read_data(npz(tmp_path / "e.npz", x=noise(1, 40, 4, 4) // 20, y=np.arange(40) % 2)))
    assert dark == ["The brightest pixel of all training images is 12 of 255."]


def test_what_would_not_fit_is_refused_before_memory_is_taken(
    folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_samples, "MEMORY_LIMIT", 100_000)
    words = "".join(f"w{i % 250},{i % 2}\n" for i in range(500))
    root = folder({f"{c}/{i}.png": noise(i, 90, 90, 3) for c in "ab" for i in range(4)})
    for path, target in (
        (table(tmp_path / "d.csv", "a,t\n" + words), "t"),
        (npz(tmp_path / "d.npz", x=noise(0, 400, 20, 20), y=np.arange(400) % 2), None),
        (root, None),
    ):
        assert "GiB that are read: give fewer or smaller samples" in refused(path, target)
