"""Made-up runs and traces, and what must hold of every figure."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from dba_cli.plots import Line, Run
from dba_cli.records import HistoryPoint, SelectionTrace

LONG = "dba_projection_min_fraction_0.10_adamw_cosine_warmup"
TITLE = (
    "an_experiment\nProtocol: random draw, 1 % (600 images). Data: official MNIST, 10,000 test images. 5 seeds."
)


def history(
    accuracies: Sequence[float], *, layers: Sequence[str] = (), seconds: float = 0.5
) -> list[HistoryPoint]:
    """An evaluation every 10 steps of 100 samples; layer i keeps 0.5 and i tenths, less as training goes on."""
    return [
        HistoryPoint(
            step=10 * k,
            epoch=float(k),
            samples_processed=1000 * k,
            train_loss=None if k == 0 else 0.1,
            test_loss=0.5,
            test_accuracy=accuracy,
            seconds=seconds * k,
            fractions={layer: (0.5 + 0.1 * i) / k for i, layer in enumerate(layers)} if k else {},
        )
        for k, accuracy in enumerate(accuracies)
    ]


def rising(top: float, evaluations: int = 12) -> list[float]:
    return [top - (top - 0.1) * 0.5**k for k in range(evaluations)]


def line(label: str, tops: Sequence[float], **options: Sequence[str]) -> Line:
    runs = [Run(seed, history(rising(top), **options)) for seed, top in enumerate(tops)]
    return Line(label, runs, len(tops))


def trace(chosen: dict[str, Sequence[Sequence[bool]]], images: Sequence[Sequence[int]]) -> SelectionTrace:
    """A trace from lists with an entry per step."""
    steps = [step for step, batch in enumerate(images, start=1) for _ in batch]
    flat = {layer: np.concatenate([np.array(bits, bool) for bits in parts]) for layer, parts in chosen.items()}
    return SelectionTrace(list(chosen), np.concatenate(images), np.array(steps), flat)


def assert_sound(figure: Figure) -> None:
    """Every word is inside the figure, no two words of a kind overlap, and no axes are empty."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox
    assert figure.axes
    for axes in figure.axes:
        assert axes.has_data() or axes.texts, f"empty axes {axes}"
        for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
            _apart(ticks)
        _apart([axes.title, axes._left_title, *_names(axes)])
    for text in figure.findobj(Text):
        if not (text.get_visible() and text.get_text() and text.axes in (None, *figure.axes)):
            continue
        if text.axes is not None and text not in _lasting(text.axes):
            continue  # a tick beyond the axis's limits is not drawn
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} at {box} of {page}"
    for legend in figure.legends:
        frame = legend.get_window_extent()
        assert page.x0 <= frame.x0
        assert frame.x1 <= page.x1
        assert page.y0 - 1 <= frame.y0
        for axes in figure.axes:
            assert not frame.overlaps(axes.get_tightbbox()), "legend over axes"


def _lasting(axes: Axes) -> list[Text]:
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    inside = []
    for label, ticks, limits in (
        (labels[: len(axes.get_xticks())], axes.get_xticks(), axes.get_xlim()),
        (labels[len(axes.get_xticks()) :], axes.get_yticks(), axes.get_ylim()),
    ):
        inside += [
            text for text, at in zip(label, ticks, strict=True) if min(limits) <= at <= max(limits)
        ]
    return [*inside, *axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]


def _names(axes: Axes) -> list[Text]:
    return [axes.xaxis.label, axes.yaxis.label]


def _apart(texts: Sequence[Text]) -> None:
    shown = [text for text in texts if text.get_visible() and text.get_text()]
    shown = [text for text in shown if text.axes is None or text in _lasting(text.axes)]
    for one, other in combinations(shown, 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent()), (
            f"{one.get_text()!r} and {other.get_text()!r} overlap"
        )
