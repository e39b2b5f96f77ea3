"""All pictures of some experiments: what can be made from their records, and why the rest cannot."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from dba_cli.comparison import Row
from dba_cli.errors import UserError, did_you_mean
from dba_cli.plots._choices import ChoiceRates, choice_map
from dba_cli.plots._confusion import confusion, confusion_matrices
from dba_cli.plots._curves import learning_curves
from dba_cli.plots._evidence import Evidence, Labelled, predictions_of, rates_of
from dba_cli.plots._fractions import fractions_kept, selecting
from dba_cli.plots._galleries import chosen_images, disagreements, drawn_images
from dba_cli.plots._ladder import ladder, rungs
from dba_cli.plots._read import Study, read_studies, together
from dba_cli.plots._series import X_AXES, X_LABELS
from dba_cli.plots._targets import default_target, targets
from dba_cli.records import RunFolder

_TRACE = "runs with training.trace: true are needed (dba run ... --set training.trace=true --overwrite)"
_MOST_PAIRS = 6


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure; ``stem`` is the name of its files, ``experiment`` None where it shows several."""

    stem: str
    kind: str
    experiment: str | None
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Album:
    """The pictures, and a line for each reason why others could not be made."""

    pictures: Sequence[Picture]
    notes: Sequence[str]


@dataclass(frozen=True)
class Wanted:
    """What to draw. Empty ``kinds`` are all but the overlay; ``target`` None is each experiment's default."""

    kinds: Sequence[str] = ()
    optimizers: Sequence[str] = ()
    target: float | None = None
    data_dir: Path = field(default_factory=lambda: Path("data"))


def make_album(results: Path, names: Sequence[str] | None = None, wanted: Wanted | None = None) -> Album:
    """Draw the named experiments under ``results``, or all of them.

    Raises:
        UserError: An unknown name, a damaged record, or a kind that was asked for and cannot be made.
    """
    wanted = wanted or Wanted()
    for kind in wanted.kinds:
        if kind not in KINDS:
            raise UserError(f"unknown kind of figure {kind!r}{did_you_mean(kind, list(KINDS))}")
    kinds = list(dict.fromkeys(wanted.kinds)) or [kind for kind in KINDS if kind != "overlay"]
    studies = read_studies(results, names, wanted.optimizers)
    evidence = Evidence(wanted.data_dir)
    pictures: list[Picture] = []
    reasons: dict[str, dict[str, None]] = {}  # why something is missing: the kinds that lack it, in order
    for kind in kinds:
        before = len(pictures)
        if kind in _SHARED:
            pictures += _SHARED[kind](studies, wanted)
        for study in studies if kind in _OF_A_STUDY else ():
            scene = _Scene(study, wanted, evidence, kind, reasons)
            for detail, says, figure in _OF_A_STUDY[kind](scene):
                stem = "-".join(part for part in (study.name, kind, detail) if part)
                caption = f"{study.section.experiment}: {says}."
                pictures.append(Picture(stem, kind, study.name, caption, figure))
        if len(pictures) == before and wanted.kinds:
            why = next((reason for reason, of in reasons.items() if kind in of), "nothing to draw")
            raise UserError(f"--kind {kind}: {why}")
    return Album(pictures, [f"{', '.join(of)}: not made: {reason}" for reason, of in reasons.items()])


_Drawn = Iterator[tuple[str, str, Figure]]
"""What tells a figure from others of its kind and study, if there are any; what it shows; and itself."""


@dataclass(frozen=True)
class _Scene:
    """A study to draw a kind of figure of, and what there is for it beside the records."""

    study: Study
    wanted: Wanted
    evidence: Evidence
    kind: str
    reasons: dict[str, dict[str, None]]

    def lacks(self, reason: str, kind: str = "") -> None:
        """Say why a picture is missing."""
        self.reasons.setdefault(reason, {})[kind or self.kind] = None

    def has_data(self, folder: RunFolder) -> bool:
        """Return whether the images of a run are there; if not, say so."""
        missing = self.evidence.missing(folder)
        if missing is not None:
            self.lacks(missing)
        return missing is None

    def traced(self) -> Iterator[tuple[str, int, Labelled, ChoiceRates]]:
        """Yield each optimizer that selects, with the lowest seed that has a trace, and what was chosen."""
        rows = [row for row in self.study.rows if row.selects and row.finished]
        if not rows:
            self.lacks(f"{self.study.name}: no finished run that selects samples")
        for row in rows:
            runs = [run for run in self.study.folders(row) if run[1].trace_file.is_file()]
            if not runs:
                self.lacks(f"{self.study.name}: {_TRACE}")
            elif self.has_data(runs[0][1]):
                seed, folder = runs[0]
                draw = self.evidence.draw(folder)
                rates = rates_of(folder, draw)
                if rates is not None:
                    yield row.optimizer, seed, draw, rates

    def predictions(self) -> dict[Row, dict[int, RunFolder]]:
        """Return the runs with predictions, by row and seed; say so where there are none."""
        found = {
            row: {seed: run for seed, run in self.study.folders(row) if run.predictions_file.is_file()}
            for row in self.study.rows
        }
        found = {row: folders for row, folders in found.items() if folders}
        if not found:
            self.lacks(f"{self.study.name}: {_TRACE}")
        elif not self.has_data(next(iter(next(iter(found.values())).values()))):
            return {}
        return found


def _curves(scene: _Scene) -> _Drawn:
    for x in X_AXES:
        figure = learning_curves(scene.study.lines, x, scene.study.title)
        yield x, f"test accuracy against {X_LABELS[x].lower()}", figure


def _targets(scene: _Scene) -> _Drawn:
    lines, target = scene.study.lines, scene.wanted.target
    target = default_target(lines) if target is None else target
    says = f"steps, samples and seconds until {100 * target:.4g} % test accuracy"
    yield "", says, targets(lines, target, scene.study.title)


def _fractions(scene: _Scene) -> _Drawn:
    study = scene.study
    if selecting(study.lines):
        says = "share of the batch that each layer kept, over training"
        yield "", says, fractions_kept(study.lines, study.title)
    else:
        scene.lacks(f"{study.name}: no finished run that selects samples")


def _drawn(scene: _Scene) -> _Drawn:
    study = scene.study
    runs = [pair for row in study.rows for pair in study.folders(row)]
    if not runs:
        scene.lacks(f"{study.name}: no finished run")
    elif scene.has_data(runs[0][1]):
        seed, folder = min(runs, key=lambda run: run[0])
        draw = scene.evidence.draw(folder)
        title = f"{study.title}\nTraining images of seed {seed}"
        figure = drawn_images(draw.images, draw.labels, title)
        yield f"seed-{seed}", f"the training images of seed {seed}", figure


def _choices(scene: _Scene) -> _Drawn:
    for name, seed, draw, rates in scene.traced():
        figure = choice_map(rates, draw.labels, f"{scene.study.title}\n{name}, seed {seed}")
        yield f"{name}-seed-{seed}", f"how often each layer of {name} chose each image, seed {seed}", figure


def _chosen(scene: _Scene) -> _Drawn:
    for name, seed, draw, rates in scene.traced():
        title = f"{scene.study.title}\n{name}, seed {seed}"
        figure = chosen_images(rates, draw.images, draw.labels, title)
        yield f"{name}-seed-{seed}", f"the images that {name} chose most and least often, seed {seed}", figure


def _disagreements(scene: _Scene) -> _Drawn:
    """Draw what one optimizer gets right and another wrong: those that select against the others."""
    study, predicted = scene.study, scene.predictions()
    pairs = _pairs(list(predicted))
    if predicted and not pairs:
        scene.lacks(f"{study.name}: predictions of two optimizers are needed")
    if len(pairs) > _MOST_PAIRS:
        reason = f"{study.name}: more than {_MOST_PAIRS} pairs; pick two with --optimizer"
        scene.lacks(reason, "some disagreements")
    for first, second in pairs[:_MOST_PAIRS]:
        common = sorted(predicted[first].keys() & predicted[second].keys())
        if not common:
            scene.lacks(f"{study.name}: {first.optimizer} and {second.optimizer} share no seed")
            continue
        seed = common[0]
        folders = predicted[first][seed], predicted[second][seed]
        shown = scene.evidence.evaluation(folders[0])
        ours, theirs = (predictions_of(folder, shown) for folder in folders)
        record = folders[0].read()
        figure = disagreements(
            shown.images,
            shown.labels,
            (first.optimizer, ours),
            (second.optimizer, theirs),
            f"{study.title}\nSeed {seed}",
            noun=f"{record.data.evaluated_on if record is not None else 'test'} images",
        )
        says = f"images that one of {first.optimizer} and {second.optimizer} gets right, seed {seed}"
        yield f"{first.optimizer}-{second.optimizer}-seed-{seed}", says, figure


def _pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return the rows that select against the others; without both kinds, the first against the rest."""
    ours = [row for row in rows if row.selects]
    others = [row for row in rows if not row.selects]
    if not ours or not others:
        ours, others = list(rows[:1]), list(rows[1:])
    return [(one, other) for one in ours for other in others]


def _confusion(scene: _Scene) -> _Drawn:
    """Draw the confusion matrix of each optimizer, summed over the seeds that have predictions."""
    matrices = []
    for row, folders in scene.predictions().items():
        shown = scene.evidence.evaluation(next(iter(folders.values())))
        counts = [
            confusion(shown.labels, predictions_of(folder, shown), shown.classes)
            for folder in folders.values()
        ]
        seeds = f"{len(counts)} {'seed' if len(counts) == 1 else 'seeds'}"
        matrices.append((f"{row.optimizer} ({seeds})", sum(counts[1:], counts[0])))
    if matrices:
        figure = confusion_matrices(matrices, scene.study.title)
        yield "", "confusion matrices at the end of training", figure


def _ladder(studies: Sequence[Study], wanted: Wanted) -> Iterator[Picture]:
    shown = rungs([study.section for study in studies])
    shown = [rung for rung in shown if not wanted.optimizers or rung.label in wanted.optimizers]
    figure = ladder(shown, _title(studies))
    yield Picture("ladder", "ladder", None, "Test accuracy at the end of training.", figure)


def _overlay(studies: Sequence[Study], wanted: Wanted) -> Iterator[Picture]:
    for x in X_AXES:
        caption = f"Test accuracy against {X_LABELS[x].lower()}, all experiments."
        figure = learning_curves(together(studies), x, _title(studies))
        yield Picture(f"overlay-{x}", "overlay", None, caption, figure)


def _title(studies: Sequence[Study]) -> str:
    """Return the study's title; of several, the notices that they have."""
    if len(studies) == 1:
        return studies[0].title
    return "\n".join(f"{study.name}: {study.section.notice}" for study in studies if study.section.notice)


_OF_A_STUDY: dict[str, Callable[[_Scene], _Drawn]] = {
    "curves": _curves,
    "targets": _targets,
    "fractions": _fractions,
    "drawn": _drawn,
    "choices": _choices,
    "chosen": _chosen,
    "disagreements": _disagreements,
    "confusion": _confusion,
}
_SHARED: dict[str, Callable[[Sequence[Study], Wanted], Iterator[Picture]]] = {
    "ladder": _ladder,
    "overlay": _overlay,
}
KINDS = (*_OF_A_STUDY, *_SHARED)
