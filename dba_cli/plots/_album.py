"""All pictures of some experiments: what can be made from their records, and why the rest cannot."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dba_cli.errors import UserError, did_you_mean
from dba_cli.plots._curves import learning_curves
from dba_cli.plots._fractions import fractions_kept, selecting
from dba_cli.plots._image_pictures import ImagePictures
from dba_cli.plots._ladder import ladder, rungs
from dba_cli.plots._picture import Notes, Picture, picture_of
from dba_cli.plots._read import Study, read_studies, together
from dba_cli.plots._series import X_AXES, X_LABELS
from dba_cli.plots._targets import default_target, targets


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
    notes = Notes()
    images = ImagePictures(studies, wanted.data_dir, notes)
    pictures = []
    for kind in kinds:
        made = list(KINDS[kind](studies, wanted, images, notes))
        if not made and wanted.kinds:
            raise UserError(f"--kind {kind}: {notes.why(kind)}")
        pictures += made
    return Album(pictures, notes.lines())


_Maker = Callable[[Sequence[Study], Wanted, ImagePictures, Notes], Iterator[Picture]]


def _curves(
    studies: Sequence[Study], wanted: Wanted, images: ImagePictures, notes: Notes
) -> Iterator[Picture]:
    for study in studies:
        for x in X_AXES:
            yield picture_of(
                study,
                "curves",
                x,
                f"test accuracy against {X_LABELS[x].lower()}",
                learning_curves(study.lines, x, study.title),
            )


def _targets(
    studies: Sequence[Study], wanted: Wanted, images: ImagePictures, notes: Notes
) -> Iterator[Picture]:
    for study in studies:
        target = default_target(study.lines) if wanted.target is None else wanted.target
        yield picture_of(
            study,
            "targets",
            "",
            f"steps, samples and seconds until {100 * target:.4g} % test accuracy",
            targets(study.lines, target, study.title),
        )


def _fractions(
    studies: Sequence[Study], wanted: Wanted, images: ImagePictures, notes: Notes
) -> Iterator[Picture]:
    for study in studies:
        if selecting(study.lines):
            yield picture_of(
                study,
                "fractions",
                "",
                "share of the batch that each layer kept, over training",
                fractions_kept(study.lines, study.title),
            )
        else:
            notes.add("fractions", f"{study.name}: no finished run that selects samples")


def _ladder(
    studies: Sequence[Study], wanted: Wanted, images: ImagePictures, notes: Notes
) -> Iterator[Picture]:
    shown = rungs([study.section for study in studies])
    shown = [rung for rung in shown if not wanted.optimizers or rung.label in wanted.optimizers]
    title = studies[0].title if len(studies) == 1 else _notices(studies)
    yield Picture("ladder", "ladder", None, "Test accuracy at the end of training.", ladder(shown, title))


def _overlay(
    studies: Sequence[Study], wanted: Wanted, images: ImagePictures, notes: Notes
) -> Iterator[Picture]:
    title = studies[0].title if len(studies) == 1 else _notices(studies)
    for x in X_AXES:
        caption = f"Test accuracy against {X_LABELS[x].lower()}, all experiments."
        yield Picture(f"overlay-{x}", "overlay", None, caption, learning_curves(together(studies), x, title))


def _notices(studies: Sequence[Study]) -> str:
    return "\n".join(
        f"{study.name}: {study.section.notice}" for study in studies if study.section.notice is not None
    )


KINDS: dict[str, _Maker] = {
    "curves": _curves,
    "targets": _targets,
    "fractions": _fractions,
    "ladder": _ladder,
    "overlay": _overlay,
    "drawn": lambda studies, wanted, images, notes: images.drawn(),
    "choices": lambda studies, wanted, images, notes: images.choices(),
    "chosen": lambda studies, wanted, images, notes: images.chosen(),
    "disagreements": lambda studies, wanted, images, notes: images.disagreements(),
    "confusion": lambda studies, wanted, images, notes: images.confusion(),
}
