"""How sets of seeds and draws are said in words, the same in every format."""

from collections.abc import Iterable
from itertools import groupby

_DATASETS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "kmnist": "KMNIST"}


def seeds_text(seeds: Iterable[int]) -> str:
    """Return ``seed 3`` or ``seeds 0-2, 7``."""
    ordered = sorted(seeds)
    runs = [
        [seed for _, seed in run]
        for _, run in groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0])
    ]
    ranges = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"{'seed' if len(ordered) == 1 else 'seeds'} {', '.join(ranges)}"


def data_text(dataset: str, source: str) -> str:
    """Return ``official MNIST`` or ``embedded MNIST sample``."""
    name = _DATASETS.get(dataset, dataset)
    return f"embedded {name} sample" if source == "embedded" else f"{source} {name}"


def draw_text(draw: Iterable[tuple[str, float | str]]) -> str:
    """Return ``1 %`` or ``10 per class by facility location``; other draws by their keys."""
    parts = list(draw)
    sizes = ", ".join(_part(key, value) for key, value in parts if key != "by")
    chosen = [f" by {str(value).replace('_', ' ')}" for key, value in parts if key == "by"]
    return sizes + "".join(chosen)


def _part(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return f"{key} {value}"
    if key == "fraction":
        return f"{100 * value:.10g} %"
    if key == "per_class":
        return f"{value:.10g} per class"
    return f"{key} {value:.10g}"
