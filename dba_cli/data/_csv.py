"""Tables in CSV: numbers, categories and a column of classes."""

import csv
import io
import re
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dba_cli.data._samples import Samples, check_size, classified, standardised
from dba_cli.errors import UserError, did_you_mean, printable

_LARGEST_FILE = 2**28
_MOST_CATEGORIES = 256
_START, _FIRST_ROWS = 2**20, 20  # characters and rows that the delimiter is told from
_MISSING = {"", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"}
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,9})?|[-+]?(?:inf|Inf|INF|Infinity)"
)
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")

Columns = dict[str, npt.NDArray[np.float64]]


def read_csv(path: Path, target: str | None) -> Samples:
    """Read a table with a header; every column but ``target`` is a feature.

    A column of numbers becomes one feature, NaN where numbers are missing, and then a second feature says
    where. Any other column is a category: one feature of zeros and ones for each of its words, "missing"
    among them. All are standardised: mean 0, standard deviation 1.

    Raises:
        UserError: No such column, classes that are missing or measured numbers, rows of different lengths.
    """
    text, delimiter = _text(path)
    header, sources = _structure(path, text, delimiter)
    if target is None:
        raise UserError(f"{path}: which column holds the classes? Name the target: {', '.join(header):.200}")
    if target not in header:
        raise UserError(f"{path}: no column {target!r:.60}{did_you_mean(target, header)}")
    if len(header) < 2:
        raise UserError(f"{path}: no column beside {target!r:.60} to tell the classes by")
    # After what can be refused without it: it takes half a second to import.
    import pandas as pd

    table = pd.read_csv(io.StringIO(text), sep=delimiter, dtype=str, na_filter=False)
    if list(table.columns) != header or len(table) != len(sources):
        raise UserError(f"{path}: no plain CSV: its quotes can be read in two ways")
    labels = _labels(path, target, table[target], sources)
    classes, numbers = classified([labels], f"{path}: {target}")
    features, notes = _features(path, table.drop(columns=target), sources)
    samples = standardised([np.stack(list(features.values()), axis=1)])[0]
    columns, said = tuple(map(printable, features)), tuple(map(printable, notes))
    return Samples(samples, numbers[0], classes, sources, columns=columns, notes=said)


def _text(path: Path) -> tuple[str, str]:
    """Return what the file says, and what stands between its columns."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise UserError(f"{path}: {size:,} bytes; at most {_LARGEST_FILE:,} are read: take a part of it")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: not UTF-8 text: save it as CSV UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path}: not a text file")
    return text, _delimiter(text[:_START])


def _delimiter(start: str) -> str:
    """Return what gives the first rows the same number of cells, the most; else what the header has most."""
    cells = {}
    for mark in ",;\t":
        with suppress(csv.Error):
            rows = csv.reader(io.StringIO(start, newline=""), delimiter=mark, strict=True)
            lengths = {len(row) for row in islice(rows, _FIRST_ROWS) if row}
            if len(lengths) == 1 and max(lengths) > 1:
                cells[mark] = max(lengths)
    return max(cells, key=cells.__getitem__) if cells else max(",;\t", key=start.partition("\n")[0].count)


def _structure(path: Path, text: str, delimiter: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the columns and of the rows, as a spreadsheet numbers them."""
    header: list[str] = []
    sources = []
    try:
        for number, row in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1
        ):
            if not row:
                continue
            if not header:
                header = row
            elif len(row) != len(header):
                raise UserError(f"{path}: row {number} has {len(row)} cells, the header {len(header)}")
            else:
                sources.append(f"row {number}")
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV table ({error})") from None
    if not sources:
        raise UserError(f"{path}: no rows below a header")
    for name in header:
        if not name.strip() or header.count(name) > 1:
            what = f"two columns are named {name!r:.60}" if name.strip() else "a column has no name"
            index = (
                " (row numbers? then leave them out: to_csv(index=False))" if not header[0].strip() else ""
            )
            raise UserError(f"{path}: {what}{index}: give each a name of its own in the first row")
    return header, tuple(sources)


def _coded(column: Any) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Return the different words of a column, and which of them stands in each row."""
    codes, words = column.factorize()
    return np.array([word.strip() for word in words], dtype=str), codes.astype(np.int64)


def _labels(path: Path, target: str, column: Any, sources: tuple[str, ...]) -> npt.NDArray[Any]:
    words, codes = _coded(column)
    missing = np.isin(words, list(_MISSING))
    if missing.any():
        rows = np.flatnonzero(missing[codes])
        raise UserError(
            f"{path}: {target} is missing in {len(rows)} of {len(codes)} rows, the first {sources[rows[0]]}:"
            " remove them, or fill it in"
        )
    values = [_number(word) for word in words]
    if None not in values and any(value != round(value) for value in values if value is not None):
        odd = next(word for word, value in zip(words, values, strict=True) if value and value != round(value))
        raise UserError(
            f"{path}: {target} holds numbers such as {odd:.30}: classes are words or whole numbers (this does"
            " not predict measured numbers)"
        )
    named: npt.NDArray[Any] = words
    if None not in values and all(abs(value or 0) < 2**53 for value in values):
        named = np.array([round(value or 0) for value in values])  # in their order; 1.0 is 1
    labels: npt.NDArray[Any] = named[codes]
    return labels


def _features(path: Path, table: Any, sources: tuple[str, ...]) -> tuple[Columns, list[str]]:
    """Return the features by name, and what was done to columns, in sentences."""
    features: Columns = {}
    notes = []
    for name in table.columns:
        different, codes = _coded(table[name])
        words = different.tolist()
        values = [None if word in _MISSING else _number(word) for word in words]
        if any(value is not None and not np.isfinite(value) for value in values):
            word = next(
                word for word, value in zip(words, values, strict=True) if value and not np.isfinite(value)
            )
            raise UserError(f"{path}: column {name!r:.60} holds {word:.30}, which is no finite number")
        strange = [w for w, value in zip(words, values, strict=True) if value is None and w not in _MISSING]
        width = min(len(words), _MOST_CATEGORIES) if strange else 1
        check_size((len(codes), len(features) + width), 8, f"{path}: column {name!r:.60}")
        if strange:
            made, note = _category(path, name, words, codes, strange)
        else:
            made, note = _numbers(path, name, values, codes)
        for twice in features.keys() & made.keys():
            raise UserError(f"{path}: two features would be called {twice!r:.60}: give columns other names")
        features |= made
        notes += [note] * bool(note)
    return features, notes


def _numbers(path: Path, name: str, values: list[float | None], codes: Any) -> tuple[Columns, str]:
    known = np.array([np.nan if value is None else value for value in values])[codes]
    missing = np.isnan(known)
    if missing.all():
        raise UserError(f"{path}: column {name!r:.60} is empty: remove it")
    if not missing.any():
        return {name: known}, ""
    note = (
        f"Column {name}: {missing.sum()} of {len(known)} numbers are missing: the mean of the others stands"
        " there, and a column says so."
    )
    return {name: known, f"{name} is missing": missing.astype(np.float64)}, note


def _category(path: Path, name: str, words: list[str], codes: Any, strange: list[str]) -> tuple[Columns, str]:
    if all(_DECIMAL_COMMA.fullmatch(word) for word in strange):
        raise UserError(
            f"{path}: column {name!r:.60} holds numbers such as {strange[0]:.30}: write a decimal point"
        )
    known = sorted({"missing" if word in _MISSING else word for word in words})
    if len(known) > _MOST_CATEGORIES:
        raise UserError(
            f"{path}: column {name!r:.60} holds {len(known)} different words such as {strange[0]!r:.30}:"
            f" at most {_MOST_CATEGORIES} can be categories; remove the column, or make it numbers"
        )
    places = {word: i for i, word in enumerate(known)}
    which = np.array([places["missing" if word in _MISSING else word] for word in words])[codes]
    made = {f"{name}: {word}": (which == i).astype(np.float64) for i, word in enumerate(known)}
    numbers = len([word for word in words if word not in _MISSING]) - len(strange)
    also = f" ({strange[0]!r:.30} is no number)" if numbers > len(strange) else ""
    return made, f"Column {name}: {len(known)} categories{also}."


def _number(word: str) -> float | None:
    """Return the number that a word is, None where it is none."""
    return float(word) if _NUMBER.fullmatch(word) else None
