"""What is suspicious about samples: things a person should know before trusting any figure."""

from collections import Counter, defaultdict
from hashlib import blake2b

import torch

from dba_cli.data._samples import Samples

_FEW = 10  # samples of a class
_UNBALANCED = 10  # largest class over smallest
_DARK = 64  # of 255
_ROWS = 20  # that are not numbered by chance


def findings(samples: Samples) -> list[str]:
    """Return what is suspicious, in sentences; empty where nothing is. First what the reader did."""
    parts = [("training", samples)] + ([("test", samples.test)] if samples.test is not None else [])
    found = list(samples.notes)
    for name, part in parts:
        found += _classes(name, part)
    found += _copies(parts)
    return found + (_columns(samples) if samples.is_table else _pixels(samples))


def _classes(name: str, part: Samples) -> list[str]:
    counts = torch.bincount(part.labels, minlength=len(part.classes)).tolist()
    found = []
    rare = [f"{label} ({count})" for label, count in zip(part.classes, counts, strict=True) if count < _FEW]
    if rare and name == "training":
        found.append(f"Classes of fewer than {_FEW} {name} samples: {_few(rare)}.")
    absent = [label for label, count in zip(part.classes, counts, strict=True) if not count]
    if absent:
        found.append(f"Classes without {name} samples: {_few(absent)}.")
    most, least = max(counts), min(counts)
    if name == "training" and most >= _UNBALANCED * least:
        found.append(
            f"Unbalanced: {most:,} samples of class {part.classes[counts.index(most)]}, {least:,} of"
            f" {part.classes[counts.index(least)]}."
        )
    return found


def _copies(parts: list[tuple[str, Samples]]) -> list[str]:
    """Return how many samples are exact copies of others, and which of them contradict one another."""
    places: dict[bytes, list[tuple[str, Samples, int]]] = defaultdict(list)
    for name, part in parts:
        rows = part.samples.contiguous().view(len(part), -1).numpy()
        for i, row in enumerate(rows):
            places[blake2b(row.tobytes(), digest_size=16).digest()].append((name, part, i))
    groups = [group for group in places.values() if len(group) > 1]
    found = []
    for name, _ in parts:
        twice = [[each for each in group if each[0] == name] for group in groups]
        twice = [group for group in twice if len(group) > 1]
        if twice:
            number = sum(len(group) - 1 for group in twice)
            found.append(f"Exact copies among the {name} samples: {number}, such as {_pair(twice[0])}.")
    across = [group for group in groups if len({name for name, *_ in group}) > 1]
    if across:
        number = sum(Counter(name for name, *_ in group)["test"] for group in across)
        pair = [across[0][0], across[0][-1]]
        found.append(f"Test samples that are training samples too: {number}, such as {_pair(pair)}.")
    torn = [group for group in groups if len({int(part.labels[i]) for _, part, i in group}) > 1]
    if torn:
        first = torn[0][0]
        other = next(each for each in torn[0] if each[1].labels[each[2]] != first[1].labels[first[2]])
        labels = [part.classes[int(part.labels[i])] for _, part, i in (first, other)]
        found.append(
            f"Exact copies with different labels: {len(torn)} groups, such as {_pair([first, other])}"
            f" ({labels[0]} and {labels[1]})."
        )
    return found


def _pair(group: list[tuple[str, Samples, int]]) -> str:
    return " and ".join(part.sources[i] for _, part, i in group[:2])


def _columns(samples: Samples) -> list[str]:
    constant, numbering, telling = [], [], []
    for name, column in zip(samples.columns, samples.samples.T.double().nan_to_num(), strict=True):
        values, codes = column.unique(return_inverse=True)
        steps = values.diff()
        if len(values) == 1:
            constant.append(name)
        elif len(values) == len(samples) >= _ROWS and steps.max() < 1.2 * steps.min():
            numbering.append(name)
        elif len(values) == len(samples.classes):
            pairs = (codes * len(values) + samples.labels).unique()
            telling += [name] * (len(pairs) == len(values))
    found = []
    if constant:
        found.append(f"Constant in every sample: {_few(constant)}.")
    if numbering:
        found.append(f"Numbers the rows, and tells classes where rows are sorted: {_few(numbering)}.")
    if telling:
        found.append(f"Tells the class by itself; the target under another name? {_few(telling)}.")
    return found


def _pixels(samples: Samples) -> list[str]:
    images = samples.samples.flatten(1)
    found = []
    blank = (images == images[:, :1]).all(1).nonzero().flatten().tolist()
    if blank:
        found.append(f"Images of one colour throughout: {_few([samples.sources[i] for i in blank])}.")
    if images.dtype == torch.uint8 and int(images.max()) < _DARK:
        found.append(f"The brightest pixel of all training images is {int(images.max())} of 255.")
    return found


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
