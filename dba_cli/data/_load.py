"""Images and labels from the first source that has them, never silently from another than was meant."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from dba_cli.data._datasets import DATASETS, Dataset, dataset_row, made_by
from dba_cli.data._download import download
from dba_cli.data._embedded import NOTICE
from dba_cli.data._idx import IdxFiles, bad_file, fetch_command
from dba_cli.data._read import form_of, read_data
from dba_cli.data._samples import Samples
from dba_cli.data._torchvision_sets import TorchvisionSet
from dba_cli.errors import UserError

_NONE_EMBEDDED = "only mnist and digits have embedded images, {} has none"


@dataclass(frozen=True, eq=False)
class ImageData:
    """One dataset in memory, on the CPU, as the source gives it: nothing is shuffled or drawn."""

    dataset: str
    """Its name in DATASETS."""
    source: Literal["official", "embedded", "own"]
    """Where the samples really came from, as a config says it: never "auto"."""
    train_images: Tensor
    """Images (N, channels, height, width), uint8 or float32 in [0, 1]; or a table (N, features), float32, NaN
    where a number is missing."""
    train_labels: Tensor
    """int64 in 0 .. num_classes - 1, shape (N,)."""
    test_images: Tensor
    """As the training images, of M samples; of none where there is no test part."""
    test_labels: Tensor
    """int64 in 0 .. num_classes - 1, shape (M,)."""
    num_classes: int
    official_size: int
    """Number of training images that a draw's fraction of 1 stands for, however many this source has."""
    title: str
    """What tables call the dataset."""
    notice: str | None = None
    """A line that must stand beside every figure from this data; None for official data."""
    classes: tuple[str, ...] = ()
    """Their names; empty where they are numbers alone."""
    sources: tuple[str, ...] = ()
    """Where each training sample came from (see `Samples`); empty where only its number says it."""
    sha256: str | None = None
    """Of the content (see `Samples`), for data of one's own."""
    provenance: Literal["official", "embedded", "own", "unverified"] = "official"
    """What is known of the bytes: official only where their digests are known, and right."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of an image, (features,) of a table's row."""
        return tuple(self.train_images.shape[1:])

    @property
    def is_table(self) -> bool:
        """Whether the samples are rows of a table, not images."""
        return self.train_images.ndim == 2

    def name_of(self, label: int) -> str:
        """Return the name of a class."""
        return self.classes[label] if self.classes else str(label)


def as_floats(images: Tensor) -> Tensor:
    """Return images, uint8 or float, as float32 in [0, 1].

    The usual MNIST constants (mean 0.1307, standard deviation 0.3081) are deliberately not applied: they were
    computed from the whole training set, and the protocol of a random draw is that nothing outside the draw
    is touched, labels or pixels.
    """
    return images if images.is_floating_point() else images.float() / 255


def load(
    dataset: str,
    source: Literal["official", "embedded", "own", "auto"],
    data_dir: Path,
    notify: Callable[[str], None],
    *,
    path: str | None = None,
    target: str | None = None,
    sha256: str | None = None,
) -> ImageData:
    """Load a dataset whole; MNIST has 60 000 + 10 000 images if official, 1 000 + 4 000 if embedded.

    ``official`` reads the files in ``data_dir`` (torchvision's layout) and, where there is no trace of IDX
    files that can be had, downloads them first; a dataset that a function makes is made. ``embedded`` touches
    neither disk nor network. ``own`` is what ``path`` names. ``auto`` is what can be had of these, in the
    order own, official, embedded. Files that are present but bad, or not all there, are an error under
    ``auto`` too. MNIST's SHA-256 is checked on each load.

    Args:
        dataset: one of DATASETS, ``torchvision:NAME``, or ``module:name``.
        source: which of these.
        data_dir: torchvision's root folder; need not exist.
        notify: told, one line a call, of a download and of its failure, and the ``notice`` of embedded data.
        path: of ``folder``, ``npz`` and ``csv``: absolute, or below ``data_dir``.
        target: the column of a CSV that holds the classes.
        sha256: what the content of one's own or torchvision's data must be; None is whatever it is.

    Raises:
        UserError: an unknown name, bad files or images, or no source left.
    """
    row = dataset_row(dataset)
    if (source == "own") > row.has_path or (row.has_path and source not in ("own", "auto")):
        which = "is your own data: leave the source out" if row.has_path else "is no folder, npz or csv"
        raise UserError(f"data.source: {source}: {dataset} {which}")
    if row.has_path:
        return _own(dataset, located(path, data_dir), target, sha256)
    if source == "official" and row.origin is None:
        raise UserError(f"data.source: official: {dataset} is embedded alone: leave the source out")
    if source == "embedded" or row.origin is None:
        return _embedded(dataset, row, notify)
    if isinstance(row.origin, TorchvisionSet):
        return _torchvision(dataset, row.origin, data_dir, sha256)
    if not isinstance(row.origin, IdxFiles):
        made = made_by(row.origin, dataset, data_dir)
        return _data(dataset, "official", made, row.title, dataset, sha256)
    files = row.origin
    files.check_folder(data_dir)
    found = files.status(data_dir)
    if found.absent:
        notify(f"{dataset}: no official files in {found.folder}: trying the download")
        try:
            download(files, data_dir)
        except UserError as error:
            if source == "auto" and row.sample is not None:
                notify(f"{dataset}: the download failed: {error}")
                return _embedded(dataset, row, notify)
            only = (
                f" (only mnist and digits have embedded images, {dataset} has none)"
                if row.sample is None
                else ""
            )
            raise UserError(
                f"{dataset}: no official files in {found.folder}, and the download failed:"
                f" {error}{only}; name the folder that has them with --data DIR or DBA_DATA, or run"
                f" `{fetch_command(dataset, data_dir)}` where there is a network"
            ) from error
    tensors = []
    for file in files.within(found.folder):
        try:
            tensors.append(file.read())
        except ValueError as error:
            raise bad_file(dataset, data_dir, file.found or file.path, error) from error
    train_images, train_labels, test_images, test_labels = tensors
    arrays = train_images.unsqueeze(1), train_labels.long(), test_images.unsqueeze(1), test_labels.long()
    known: Literal["official", "unverified"] = "official" if files.official(data_dir) else "unverified"
    return ImageData(dataset, "official", *arrays, files.classes, files.sizes[0], row.title, provenance=known)


def sample_shape_and_classes(dataset: str, data_dir: Path, **own: str | None) -> tuple[tuple[int, ...], int]:
    """Return the shape of a sample and the number of classes; official IDX files need not be there.

    Raises:
        UserError: ``dataset`` is unknown, or cannot be read.
    """
    files = dataset_row(dataset).files
    if files is not None:
        return files.image_shape, files.classes
    data = load(dataset, "auto", data_dir, lambda line: None, **own)
    return data.image_shape, data.num_classes


def _own(dataset: str, path: Path, target: str | None, sha256: str | None) -> ImageData:
    form = form_of(path)
    if form != dataset:
        raise UserError(f"data.dataset: {dataset}: {path} is {DATASETS[form].title}: give dataset: {form}")
    return _data(dataset, "own", read_data(path, target), path.resolve().name, str(path), sha256)


def _torchvision(dataset: str, origin: TorchvisionSet, data_dir: Path, sha256: str | None) -> ImageData:
    try:
        samples = origin.read(data_dir)
    except UserError as error:
        raise UserError(
            f"{error}; name the folder that has its files with --data DIR or DBA_DATA, or run"
            f" `{fetch_command(dataset, data_dir)}` where there is a network"
        ) from error
    known = "official" if origin.checked else "unverified"
    return _data(dataset, "official", samples, origin.name, dataset, sha256, known)


def _data(
    dataset: str,
    source: Literal["official", "own"],
    samples: Samples,
    title: str,
    where: str,
    sha256: str | None,
    provenance: str = "own",
) -> ImageData:
    if sha256 not in (None, samples.sha256):
        raise UserError(
            f"{where}: its content is not that of before (data.sha256 {samples.sha256:.12}..., not"
            f" {sha256:.12}...): give changed data another experiment.name, or undo the change"
        )
    test = samples.test
    return ImageData(
        dataset,
        source,
        samples.samples,
        samples.labels,
        samples.samples[:0] if test is None else test.samples,
        samples.labels[:0] if test is None else test.labels,
        len(samples.classes),
        len(samples),
        title,
        classes=samples.classes,
        sources=samples.sources,
        sha256=samples.sha256,
        provenance=provenance,  # type: ignore[arg-type]
    )


def located(path: str | None, data_dir: Path) -> Path:
    """Return where ``data.path`` is; UserError of one that is only in the current folder."""
    assert path is not None  # the schema sees to it
    try:
        named = Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"data.path: {path}: {error}") from None
    if not named.is_absolute() and not (data_dir / named).exists() and named.exists():
        raise UserError(
            f"data.path: {path}: not in the data folder {data_dir}, but in the current folder: give"
            f" {named.absolute()}, or --data ."
        )
    return data_dir / named


def _embedded(dataset: str, row: Dataset, notify: Callable[[str], None]) -> ImageData:
    if row.sample is None:
        raise UserError(f"data.source: embedded: {_NONE_EMBEDDED.format(dataset)}: use data.source: official")
    arrays = row.sample()
    if row.files is None:  # the sample is all there is, and stands in for nothing
        classes, size, notice = int(arrays[1].max()) + 1, len(arrays[1]), None
    else:
        classes, size, notice = row.files.classes, row.files.sizes[0], NOTICE
        notify(NOTICE)
    return ImageData(dataset, "embedded", *arrays, classes, size, row.title, notice, provenance="embedded")
