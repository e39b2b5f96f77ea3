"""The pictures that show images, from runs whose data, trace and predictions are at hand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dba_cli.comparison import Row
from dba_cli.plots._choices import choice_map
from dba_cli.plots._confusion import confusion, confusion_matrices
from dba_cli.plots._evidence import Evidence, predictions_of, rates_of
from dba_cli.plots._galleries import chosen_images, disagreements, drawn_images
from dba_cli.plots._picture import Notes, Picture, picture_of
from dba_cli.plots._read import Study
from dba_cli.records import RunFolder

_TRACE = "runs with training.trace: true are needed (dba run ... --set training.trace=true --overwrite)"
_MOST_PAIRS = 6


class ImagePictures:
    """Makes them study by study; a picture of one run shows the lowest seed that has what it needs."""

    def __init__(self, studies: Sequence[Study], data_dir: Path, notes: Notes) -> None:
        self._studies, self._notes = studies, notes
        self._evidence = Evidence(data_dir)

    def drawn(self) -> Iterator[Picture]:
        """Draw the training images of the lowest seed."""
        for study in self._studies:
            runs = [pair for row in study.rows for pair in study.folders(row)]
            if not runs:
                self._notes.add("drawn", f"{study.name}: no finished run")
            elif self._has_data("drawn", study, runs[0][1]):
                seed, folder = min(runs, key=lambda run: run[0])
                draw = self._evidence.draw(folder)
                title = f"{study.title}\nTraining images of seed {seed}"
                yield picture_of(
                    study,
                    "drawn",
                    f"seed-{seed}",
                    f"the training images of seed {seed}",
                    drawn_images(draw.images, draw.labels, title),
                )

    def choices(self) -> Iterator[Picture]:
        """Draw the heat map of each optimizer that selects."""
        for study, row, seed, folder in self._traced("choices"):
            draw = self._evidence.draw(folder)
            rates = rates_of(folder, draw)
            if rates is not None:
                title = f"{study.title}\n{row.optimizer}, seed {seed}"
                yield picture_of(
                    study,
                    "choices",
                    f"{row.optimizer}-seed-{seed}",
                    f"how often each layer of {row.optimizer} chose each image, seed {seed}",
                    choice_map(rates, draw.labels, title),
                )

    def chosen(self) -> Iterator[Picture]:
        """Draw the images that each optimizer that selects chose most and least often."""
        for study, row, seed, folder in self._traced("chosen"):
            draw = self._evidence.draw(folder)
            rates = rates_of(folder, draw)
            if rates is not None:
                title = f"{study.title}\n{row.optimizer}, seed {seed}"
                yield picture_of(
                    study,
                    "chosen",
                    f"{row.optimizer}-seed-{seed}",
                    f"the images that {row.optimizer} chose most and least often, seed {seed}",
                    chosen_images(rates, draw.images, draw.labels, title),
                )

    def disagreements(self) -> Iterator[Picture]:
        """Draw what one optimizer gets right and another wrong: DBA entries against the others."""
        for study in self._studies:
            predicted = self._with_predictions("disagreements", study)
            if not predicted:
                continue
            pairs = _pairs(list(predicted))
            if not pairs:
                self._notes.add("disagreements", f"{study.name}: predictions of two optimizers are needed")
            if len(pairs) > _MOST_PAIRS:
                reason = f"{study.name}: more than {_MOST_PAIRS} pairs; pick two with --optimizer"
                self._notes.add("some disagreements", reason)
            for first, second in pairs[:_MOST_PAIRS]:
                common = sorted(predicted[first].keys() & predicted[second].keys())
                if not common:
                    reason = f"{study.name}: {first.optimizer} and {second.optimizer} share no seed"
                    self._notes.add("disagreements", reason)
                    continue
                seed = common[0]
                folders = predicted[first][seed], predicted[second][seed]
                shown = self._evidence.evaluation(folders[0])
                ours, theirs = (predictions_of(folder, shown) for folder in folders)
                yield picture_of(
                    study,
                    "disagreements",
                    f"{first.optimizer}-{second.optimizer}-seed-{seed}",
                    f"images that one of {first.optimizer} and {second.optimizer} gets right, seed {seed}",
                    disagreements(
                        shown.images,
                        shown.labels,
                        (first.optimizer, ours),
                        (second.optimizer, theirs),
                        f"{study.title}\nSeed {seed}",
                        noun=_noun(folders[0]),
                    ),
                )

    def confusion(self) -> Iterator[Picture]:
        """Draw the confusion matrix of each optimizer, summed over the seeds that have predictions."""
        for study in self._studies:
            matrices = []
            for row, folders in self._with_predictions("confusion", study).items():
                shown = self._evidence.evaluation(next(iter(folders.values())))
                counts = [
                    confusion(shown.labels, predictions_of(folder, shown), shown.classes)
                    for folder in folders.values()
                ]
                seeds = f"{len(counts)} {'seed' if len(counts) == 1 else 'seeds'}"
                matrices.append((f"{row.optimizer} ({seeds})", sum(counts[1:], counts[0])))
            if matrices:
                yield picture_of(
                    study,
                    "confusion",
                    "",
                    "confusion matrices at the end of training",
                    confusion_matrices(matrices, study.title),
                )

    def _traced(self, kind: str) -> Iterator[tuple[Study, Row, int, RunFolder]]:
        for study in self._studies:
            rows = [row for row in study.rows if row.selects and row.finished]
            if not rows:
                self._notes.add(kind, f"{study.name}: no finished run that selects samples")
            for row in rows:
                runs = [run for run in study.folders(row) if run[1].trace_file.is_file()]
                if not runs:
                    self._notes.add(kind, f"{study.name}: {_TRACE}")
                elif self._has_data(kind, study, runs[0][1]):
                    yield study, row, *runs[0]

    def _with_predictions(self, kind: str, study: Study) -> dict[Row, dict[int, RunFolder]]:
        found = {
            row: {seed: folder for seed, folder in study.folders(row) if folder.predictions_file.is_file()}
            for row in study.rows
        }
        found = {row: folders for row, folders in found.items() if folders}
        if not found:
            self._notes.add(kind, f"{study.name}: {_TRACE}")
        elif not self._has_data(kind, study, next(iter(next(iter(found.values())).values()))):
            return {}
        return found

    def _has_data(self, kind: str, study: Study, folder: RunFolder) -> bool:
        missing = self._evidence.missing(folder)
        if missing is not None:
            self._notes.add(kind, missing)
        return missing is None


def _pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return DBA entries against the others; without both kinds, the first against the rest."""
    ours = [row for row in rows if row.selects]
    others = [row for row in rows if row.kind != "dba"]
    if not ours or not others:
        ours, others = list(rows[:1]), list(rows[1:])
    return [(one, other) for one in ours for other in others]


def _noun(folder: RunFolder) -> str:
    record = folder.read()
    validation = record is not None and record.data.evaluated_on == "validation"
    return "validation images" if validation else "test images"
