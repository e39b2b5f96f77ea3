"""All pictures of some experiments: what can be made from their records, and why the rest cannot."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dba_cli.comparison import Estimate, Row, called, differing, value_text
from dba_cli.data import status
from dba_cli.errors import UserError, did_you_mean
from dba_cli.experiments import Images as DataSets
from dba_cli.plots._choices import Labels, Rates, choice_map
from dba_cli.plots._confusion import confusion, confusion_matrices
from dba_cli.plots._curves import fractions_kept, learning_curves
from dba_cli.plots._evidence import data_of, draw, evaluation, predictions_of, rates_of, refused
from dba_cli.plots._galleries import (
    Images,
    chosen_images,
    disagreements,
    drawn_images,
    refused_images,
)
from dba_cli.plots._ladder import Rung, ladder
from dba_cli.plots._points import heat_maps, points_along
from dba_cli.plots._series import X_LABELS, Study, read_studies, together
from dba_cli.plots._targets import default_target, targets
from dba_cli.records import RunFolder

_TRACE = "runs with training.trace: true are needed (dba run ... --set training.trace=true --overwrite)"
_NONE_SELECTS = "no finished run that selects samples"
_MOST_PAIRS = 6


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure; ``stem`` is the name of its files, ``study`` None where it shows several.

    ``pictures``: whether it is made of the samples' own pictures, and no drawing in lines.
    """

    stem: str
    study: str | None
    caption: str
    figure: Figure
    pictures: bool = False


@dataclass(frozen=True)
class Album:
    """The pictures, and a line for each reason why others could not be made."""

    pictures: Sequence[Picture]
    notes: Sequence[str]


def make_album(
    results: Path,
    names: Sequence[str] | None = None,
    *,
    kinds: Sequence[str] = (),
    optimizers: Sequence[str] = (),
    target: float | None = None,
    data_dir: Path = Path("data"),
) -> Album:
    """Draw the named experiments under ``results``, or all of them.

    Args:
        results: the folder of the experiments.
        names: of experiments.
        kinds: keys of ``KINDS``; empty means all but the overlay.
        optimizers: names of the plans' optimizers; empty means all.
        target: a test accuracy, a fraction; None is each experiment's default.
        data_dir: where the official images are; nothing is ever downloaded.

    Raises:
        UserError: An unknown name, a damaged record, or a kind that was asked for and cannot be made.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"unknown kind of figure {kind!r}{did_you_mean(kind, list(KINDS))}")
    studies = read_studies(results, names, optimizers)
    data_sets = DataSets(data_dir)  # the notice of embedded data stands over every figure already
    pictures: list[Picture] = []
    reasons: dict[str, dict[str, None]] = {}  # why something is missing: the kinds that lack it, in order
    for kind in dict.fromkeys(kinds or [kind for kind in KINDS if kind != "overlay"]):
        before = len(pictures)
        for source, some in _by_source(studies).items() if kind in _OF_ALL else ():
            for detail, says, figure in _OF_ALL[kind](some):
                stem = "-".join(filter(None, (kind, source, detail)))
                pictures.append(Picture(stem, None, f"{says.capitalize()}.", figure))
        for study in studies if kind in _OF_EACH else ():
            for detail, says, figure in _OF_EACH[kind](_Scene(study, target, data_sets, kind, reasons)):
                stem = "-".join(filter(None, (study.name, kind, detail)))
                caption = f"{study.section.experiment}: {says}."
                own = kind in ("drawn", "chosen", "refused", "disagreements")
                pictures.append(Picture(stem, study.name, caption, figure, own))
        if len(pictures) == before and kinds:
            why = next((reason for reason, of in reasons.items() if kind in of), "nothing to draw")
            raise UserError(f"--kind {kind}: {why}")
    return Album(pictures, [f"{', '.join(of)}: not made: {reason}" for reason, of in reasons.items()])


def _by_source(studies: Sequence[Study]) -> dict[str, list[Study]]:
    """Return those that may share an axis: embedded data with no other; its name, where there is other."""
    embedded = [study for study in studies if study.section.notice]
    others = [study for study in studies if not study.section.notice]
    if embedded and others:
        return {"": others, "embedded": embedded}
    return {"": list(studies)}


_Drawn = Iterator[tuple[str, str, Figure]]
"""What tells a figure from others of its kind and study, if there are any; what it shows; and itself."""


@dataclass(frozen=True)
class _Scene:
    """A study to draw a kind of figure of, and what there is for it beside the records."""

    study: Study
    target: float | None
    data_sets: DataSets
    kind: str
    reasons: dict[str, dict[str, None]]

    def lacks(self, reason: str, kind: str = "") -> None:
        """Say why a picture is missing."""
        self.reasons.setdefault(f"{self.study.name}: {reason}", {})[kind or self.kind] = None

    def has_data(self, folder: RunFolder, *, shown: bool = True) -> bool:
        """Return whether the samples of a run are there, and pictures if they are ``shown``; else say so."""
        data_dir, missing = self.data_sets.data_dir, ""
        data, _ = data_of(folder)
        if data.source != "embedded" and status(data.dataset, data_dir).absent:
            missing = f"the official {data.dataset} images are not in {data_dir}; give --data DIR, or run "
            missing += f"`dba data fetch --dataset {data.dataset}`"
        else:
            try:
                if self.data_sets.of(data).is_table and shown:
                    missing = f"the rows of {data.path or data.dataset} are no pictures"
            except UserError as error:
                missing = str(error)
        if missing:
            self.reasons.setdefault(missing, {})[self.kind] = None
        return not missing

    def predictions(self, *, shown: bool = True) -> dict[Row, dict[int, RunFolder]]:
        """Return the runs with predictions, by row and seed; say so where there are none."""
        found = {}
        for row in self.study.rows:
            if runs := {seed: run for seed, run in self.study.folders(row) if run.predictions_file.is_file()}:
                found[row] = runs
        if not found:
            self.lacks(_TRACE)
        elif not self.has_data(next(iter(next(iter(found.values())).values())), shown=shown):
            return {}
        return found


def _curves(studies: Sequence[Study], of: str = "") -> _Drawn:
    for x, label in X_LABELS.items():
        says = f"test error against {label.lower()}{of}"
        yield x, says, learning_curves(together(studies), x, _title(studies))


def _targets(scene: _Scene) -> _Drawn:
    lines = scene.study.lines
    target = default_target(lines) if scene.target is None else scene.target
    says = f"steps, samples and seconds until {100 * target:.4g} % test accuracy"
    yield "", says, targets(lines, target, scene.study.title)


def _fractions(scene: _Scene) -> _Drawn:
    if any(line.layers for line in scene.study.lines):
        says = "share of the batch that each layer kept, over training"
        yield "", says, fractions_kept(scene.study.lines, scene.study.title)
    else:
        scene.lacks(_NONE_SELECTS)


def _drawn(scene: _Scene) -> _Drawn:
    runs = [pair for row in scene.study.rows for pair in scene.study.folders(row)]
    if not runs:
        scene.lacks("no finished run")
    elif scene.has_data(runs[0][1]):
        seed, folder = min(runs, key=lambda run: run[0])
        title = f"{scene.study.title}\nTraining images of seed {seed}"
        figure = drawn_images(*draw(folder, scene.data_sets), title)
        yield f"seed-{seed}", f"the training images of seed {seed}", figure


def _chosen(scene: _Scene, says: str, figure_of: Callable[[Rates, Images, Labels, str], Figure]) -> _Drawn:
    """Draw each optimizer that selects, of the lowest seed that has a trace."""
    rows = [row for row in scene.study.rows if row.selects and row.finished]
    if not rows:
        scene.lacks(_NONE_SELECTS)
    for row in rows:
        runs = [run for run in scene.study.folders(row) if run[1].trace_file.is_file()]
        if not runs:
            scene.lacks(_TRACE)
        elif scene.has_data(runs[0][1], shown=figure_of is chosen_images):
            seed, folder = runs[0]
            images, labels = draw(folder, scene.data_sets)
            if rates := rates_of(folder, len(labels)):
                title = f"{scene.study.title}\n{called(row.optimizer)}, seed {seed}"
                figure = figure_of(rates, images, labels, title)
                yield (
                    f"{row.optimizer}-seed-{seed}",
                    f"{says.format(called(row.optimizer))}, seed {seed}",
                    figure,
                )


def _refused(scene: _Scene) -> _Drawn:
    """Draw, of runs with wrong labels, what each optimizer that selects left out."""
    for row in scene.study.rows:
        runs = [run for run in scene.study.folders(row) if row.selects and run[1].trace_file.is_file()]
        if runs and scene.has_data(runs[0][1]) and (found := refused(runs[0][1], scene.data_sets)):
            seed = runs[0][0]
            figure = refused_images(found, f"{scene.study.title}\n{called(row.optimizer)}, seed {seed}")
            says = f"the images that {called(row.optimizer)} used least, seed {seed}: {found.sentence}"
            yield f"{row.optimizer}-seed-{seed}", says, figure


def _disagreements(scene: _Scene) -> _Drawn:
    """Draw what one optimizer gets right and another wrong: those that select against the others."""
    predicted = scene.predictions()
    ours = [row for row in predicted if row.selects]
    others = [row for row in predicted if not row.selects]
    if not ours or not others:  # the first against the rest
        ours, others = list(predicted)[:1], list(predicted)[1:]
    pairs = list(product(ours, others))
    if predicted and not pairs:
        scene.lacks("predictions of two optimizers are needed")
    if len(pairs) > _MOST_PAIRS:
        scene.lacks(f"more than {_MOST_PAIRS} pairs; pick two with --optimizer", "some disagreements")
    for first, second in pairs[:_MOST_PAIRS]:
        names = first.optimizer, second.optimizer
        common = predicted[first].keys() & predicted[second].keys()
        if not common:
            scene.lacks(f"{names[0]} and {names[1]} share no seed")
            continue
        seed = min(common)
        folders = predicted[first][seed], predicted[second][seed]
        images, labels, classes = evaluation(folders[0], scene.data_sets)
        one, other = (classes[predictions_of(folder, len(labels), len(classes))] for folder in folders)
        record = folders[0].read()
        where = "test" if record is None else record.data.evaluated_on.replace("_", " ")
        noun = f"{where} images"
        title = f"{scene.study.title}\nSeed {seed}"
        shown = called(names[0]), called(names[1])
        figure = disagreements(images, classes[labels], (shown[0], one), (shown[1], other), title, noun)
        says = f"images that one of {shown[0]} and {shown[1]} gets right, seed {seed}"
        yield f"{names[0]}-{names[1]}-seed-{seed}", says, figure


def _confusion(scene: _Scene) -> _Drawn:
    """Draw the confusion matrix of each optimizer, summed over the seeds that have predictions."""
    matrices, classes = [], np.empty(0)
    for row, folders in scene.predictions(shown=False).items():
        _, labels, classes = evaluation(next(iter(folders.values())), scene.data_sets)
        counts = [
            confusion(labels, predictions_of(folder, len(labels), len(classes)), len(classes))
            for folder in folders.values()
        ]
        seeds = f"{len(counts)} {'seed' if len(counts) == 1 else 'seeds'}"
        matrices.append((f"{called(row.optimizer)} ({seeds})", sum(counts[1:], counts[0])))
    if matrices:
        figure = confusion_matrices(matrices, scene.study.title, classes)
        yield "", "confusion matrices at the end of training", figure


def _ladder(studies: Sequence[Study]) -> _Drawn:
    rungs = [
        Rung(
            study.section.experiment,
            row.optimizer,
            row.accuracy,
            row.paper_accuracy,
            f"{len(row.diverged)} of {row.planned} diverged" if row.diverged else "",
        )
        for study in studies
        for row in study.rows
    ]
    says = "test error at the end of training, with its 95 % interval over seeds, and the accuracy beside"
    yield "", says, ladder(rungs, _title(studies))


def _points(studies: Sequence[Study]) -> _Drawn:
    """Draw a sweep of one key or two; there is no picture of more."""
    rows = [row for study in studies for row in study.rows if row.accuracy is not None]
    keys = differing(rows) if any(study.section.sets for study in studies) else []
    if len(keys) not in (1, 2):
        return
    choices = [_in_order(rows, key) for key in keys]
    notices = {study.section.notice for study in studies if study.section.notice}
    panels: dict[str, dict[tuple[str, ...], Estimate]] = {}
    for row in rows:
        at = tuple(value_text(row.settings.get(key)) for key in keys)
        if row.accuracy is not None:
            panels.setdefault(row.optimizer, {})[at] = row.accuracy
    says, title = f"accuracy by {' and '.join(keys)}", "\n".join(sorted(notices))
    if len(keys) == 1:
        yield "", says, points_along(panels, keys[0], choices[0], title)
    else:
        yield "", says, heat_maps(panels, (keys[0], keys[1]), (choices[0], choices[1]), title)


def _in_order(rows: Sequence[Row], key: str) -> list[str]:
    """Return the values of a key as text: numbers by their size, other values as they come."""
    values = [row.settings.get(key) for row in rows]
    if all(isinstance(value, int | float) for value in values):
        values.sort(key=lambda value: float(value))  # type: ignore[arg-type]
    return list(dict.fromkeys(map(value_text, values)))


def _title(studies: Sequence[Study]) -> str:
    """Return the study's title; of several, the notices that they have."""
    if len(studies) == 1:
        return studies[0].title
    return "\n".join(f"{study.name}: {study.section.notice}" for study in studies if study.section.notice)


_OF_EACH: dict[str, Callable[[_Scene], _Drawn]] = {
    "curves": lambda scene: _curves([scene.study]),
    "targets": _targets,
    "fractions": _fractions,
    "drawn": _drawn,
    "choices": lambda scene: _chosen(
        scene,
        "how often each layer of {} chose each image",
        lambda rates, _, labels, title: choice_map(rates, labels, title),
    ),
    "chosen": lambda scene: _chosen(scene, "the images that {} chose most and least often", chosen_images),
    "refused": _refused,
    "disagreements": _disagreements,
    "confusion": _confusion,
}
_OF_ALL: dict[str, Callable[[Sequence[Study]], _Drawn]] = {
    "ladder": _ladder,
    "points": _points,
    "overlay": lambda studies: _curves(studies, ", all experiments"),
}
KINDS = (*_OF_EACH, *_OF_ALL)
