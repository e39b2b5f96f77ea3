"""What stands on the page, as plain values: the template only lays them out."""

import base64
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dba_cli.comparison import Section, compare, setting_line, table_cells
from dba_cli.config import to_yaml
from dba_cli.errors import UserError
from dba_cli.plots import Picture, Wanted, encode, make_album, run_config
from dba_cli.records import ExperimentFolder, RunFolder, RunRecord


@dataclass(frozen=True)
class Table:
    """A table that can be sorted and searched; ``numeric`` says which columns are numbers."""

    caption: str
    header: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Image:
    """A picture, in the page itself."""

    source: str
    caption: str


@dataclass(frozen=True)
class Part:
    """One experiment."""

    identity: str
    name: str
    description: str
    notice: str | None
    setting: str
    figures: Table
    below: Sequence[str]
    runs: Table
    images: Sequence[Image]
    configs: Sequence[tuple[str, str]]
    commands: Sequence[str]
    versions: Sequence[tuple[str, str]]


def parts(
    results: Path, names: Sequence[str] | None, data_dir: Path
) -> tuple[list[Part], list[Image], list[str]]:
    """Return the experiments, the pictures of several of them, and why some pictures are missing.

    Raises:
        UserError: An unknown name, a damaged record, or nothing recorded.
    """
    comparison = compare(results, names)
    album = make_album(results, names, Wanted(data_dir=data_dir))
    found: list[Part] = []
    for number, section in enumerate(comparison.sections, start=1):
        first = section.experiment not in {part.name for part in found}
        own = [p for p in album.pictures if first and p.experiment == section.experiment]
        found.append(_part(f"experiment-{number}", section, results, own))
    shared = [_image(picture) for picture in album.pictures if picture.experiment is None]
    return found, shared, list(album.notes)


def _part(identity: str, section: Section, results: Path, pictures: Sequence[Picture]) -> Part:
    folder = ExperimentFolder(results / section.experiment)
    titles, numeric, rows, below = table_cells(section)
    wanted = {(row.optimizer, row.config_hash) for row in section.rows}
    runs = [
        (run, record)
        for run in folder.runs()
        if (record := run.read()) is not None and (record.optimizer, record.config_hash) in wanted
    ]
    firsts = {record.optimizer: run for run, record in reversed(runs)}
    configs = [(name, _text(run)) for name, run in sorted(firsts.items())]
    return Part(
        identity,
        section.experiment,
        section.description,
        section.notice,
        setting_line(section),
        Table(f"Figures of {section.experiment}", titles, numeric, rows),
        below,
        _runs(section.experiment, [record for _, record in runs]),
        [_image(picture) for picture in pictures],
        configs,
        [
            shlex.join(["dba", "run", str(run.path / "config.yaml"), "--results", "again"])
            for _, run in sorted(firsts.items())
        ],
        _versions([record for _, record in runs]),
    )


def _runs(experiment: str, records: Sequence[RunRecord]) -> Table:
    header = ["Optimizer", "Seed", "Status", "Accuracy, %", "Errors", "Steps", "Training, s", "Draw"]
    rows = []
    for record in records:
        final = record.final
        rows.append(
            [
                record.optimizer,
                str(record.seed),
                record.status,
                "" if final is None else f"{100 * final.test_accuracy:.2f}",
                "" if final is None else str(final.test_errors),
                str(record.diverged_at_step if final is None else final.step),
                f"{record.durations.training:.1f}",
                record.data.draw_sha256[:8],
            ]
        )
    return Table(f"Runs of {experiment}", header, [False, True, False, True, True, True, True, False], rows)


def _versions(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Return what the runs were made with; several values where they differ."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        device = f"{record.device.name} ({record.device.type}, threads: {record.device.threads})"
        values = {**record.versions, "device": device, "git revision": record.git_revision or "unknown"}
        for name, value in values.items():
            found.setdefault(name, {})[value] = None
    return [(name, ", ".join(values)) for name, values in found.items()]


def _text(run: RunFolder) -> str:
    try:
        return to_yaml(run_config(run))
    except UserError as error:
        return str(error)


def _image(picture: Picture) -> Image:
    # As a data URI, not inline: the ids within several inline SVGs would clash.
    data = base64.b64encode(encode(picture.figure, "svg")).decode("ascii")
    return Image(f"data:image/svg+xml;base64,{data}", picture.caption)
