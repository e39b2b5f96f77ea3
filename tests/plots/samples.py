"""Made-up runs and traces, and what must hold of every figure."""

from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from dba_cli.plots import Line, Run
from dba_cli.records import Evaluation, SelectionTrace

LONG = "dba_projection_min_fraction_0.10_adamw_cosine_warmup"
TITLE = "an_experiment\nProtocol: random draw, 1 % (600 images). Data: official MNIST, 10,000 test images."


def history(
    accuracies: Sequence[float], *, layers: Sequence[str] = (), seconds: float = 0.5
) -> list[Evaluation]:
    """An evaluation every 10 steps of 100 samples; layer i keeps (0.5 + i / 50) / k."""
    return [
        Evaluation(
            step=10 * k,
            epoch=float(k),
            samples_processed=1000 * k,
            train_loss=None if k == 0 else 0.1,
            test_loss=0.5,
            test_accuracy=accuracy,
            seconds=seconds * k,
            fractions={layer: (0.5 + 0.02 * i) / k for i, layer in enumerate(layers)} if k else {},
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
    flat = {
        layer: np.concatenate([np.array(bits, bool) for bits in parts]) for layer, parts in chosen.items()
    }
    return SelectionTrace(list(chosen), np.concatenate(images), np.array(steps), flat)


def assert_sound(figure: Figure) -> None:
    """Every word is inside the figure, no two words of a kind overlap, and no axes are empty."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox
    assert figure.axes
    for axes in figure.axes:
        assert axes.has_data() or axes.texts, f"empty axes {axes}"
        for labels in _ticks(axes):
            _apart(labels)
        _apart(_names(axes))
    own = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    own += [text for text in (figure._suptitle, figure._supxlabel) if text is not None]
    for text in (*own, *(text for axes in figure.axes for text in _shown(axes))):
        if text.get_visible() and text.get_text():
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


def _ticks(axes: Axes) -> list[list[Text]]:
    """The labels of both axes, without those beyond the limits, which are not drawn."""
    both = []
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        ticks = [tick for tick in axis.get_major_ticks() if min(limits) <= tick.get_loc() <= max(limits)]
        both.append([label for tick in ticks for label in (tick.label1, tick.label2)])
    return both


def _shown(axes: Axes) -> list[Text]:
    return [*chain(*_ticks(axes)), *axes.texts, *_names(axes)]


def _names(axes: Axes) -> list[Text]:
    return [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]


def _apart(texts: Sequence[Text]) -> None:
    shown = [text for text in texts if text.get_visible() and text.get_text()]
    for one, other in combinations(shown, 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent()), (
            f"{one.get_text()!r} and {other.get_text()!r} overlap"
        )
