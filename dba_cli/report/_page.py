"""The page: what the records say, laid out by the template."""

import base64
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dba_cli import __version__
from dba_cli.comparison import Section, compare, setting_line, table_cells
from dba_cli.config import to_yaml
from dba_cli.errors import UserError
from dba_cli.plots import Picture, encode, make_album, run_config
from dba_cli.records import ExperimentFolder, RunFolder, RunRecord

_RUN_COLUMNS = {  # whether each is made of numbers
    "Optimizer": False,
    "Seed": True,
    "Status": False,
    "Accuracy, %": True,
    "Errors": True,
    "Steps": True,
    "Training, s": True,
    "Draw": False,
}


def report_page(
    results: Path, names: Sequence[str] | None, data_dir: Path, command: str, lead: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """Return the HTML of the named experiments under ``results``, or of all, and why pictures are missing.

    The same records give the same page. ``command`` is what made it, for the page to say;
    ``lead`` are sentences that come first.

    Raises:
        UserError: An unknown name, a damaged record, or nothing recorded.
    """
    album = make_album(results, names, data_dir=data_dir)
    pictures: dict[str | None, list[Picture]] = {}
    for picture in album.pictures:
        pictures.setdefault(picture.study, []).append(picture)
    shared = pictures.pop(None, [])
    comparison = compare(results, names)
    parts = [
        _part(section, results) | {"pictures": pictures.get(name, [])}
        for name, section in zip(comparison.names, comparison.sections, strict=True)
    ]
    values = {"parts": parts, "shared": shared, "notes": album.notes, "command": command, "lead": lead}
    return rendered("report.html.jinja", **values), list(album.notes)


def rendered(template: str, **values: Any) -> str:
    """Return a template of this package with the values, the version, the style and the script in it."""
    # Names and descriptions come from files that anyone may have written: everything is escaped.
    environment = Environment(
        loader=PackageLoader("dba_cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    templates = files("dba_cli.report") / "templates"
    return environment.get_template(template).render(
        **values,
        version=__version__,
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script=(templates / "report.js").read_text(encoding="utf-8"),
    )


def _part(section: Section, results: Path) -> dict[str, Any]:
    """Return what the page says of one experiment; a table is its titles, which are numeric, and its rows."""
    *figures, below = table_cells(section)
    wanted = {(row.optimizer, row.config_hash) for row in section.rows}
    runs = [
        (run, record)
        for run in ExperimentFolder(results / section.experiment).runs()
        if (record := run.read()) is not None and (record.optimizer, record.config_hash) in wanted
    ]
    records = [record for _, record in runs]
    firsts = sorted({record.optimizer: run for run, record in reversed(runs)}.items())
    return {
        "name": section.experiment,
        "description": section.description,
        "notice": section.notice,
        "setting": setting_line(section),
        "figures": figures,
        "below": below,
        "runs": (list(_RUN_COLUMNS), list(_RUN_COLUMNS.values()), [_cells(record) for record in records]),
        "configs": [(name, _config(run)) for name, run in firsts],
        "commands": [
            shlex.join(["dba", "run", str(run.path / "config.yaml"), "--results", "again"])
            for _, run in firsts
        ],
        "versions": _versions(records),
    }


def _cells(record: RunRecord) -> list[str]:
    final = record.final
    return [
        record.optimizer,
        str(record.seed),
        record.status,
        "" if final is None else f"{100 * final.test_accuracy:.2f}",
        "" if final is None else str(final.test_errors),
        str(record.diverged_at_step if final is None else final.step),
        f"{record.durations.training:.1f}",
        record.data.draw_sha256[:8],
    ]


def _versions(records: Sequence[RunRecord]) -> dict[str, str]:
    """Return what the runs were made with; several values where they differ."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        device = f"{record.device.name} ({record.device.type}, threads: {record.device.threads})"
        values = {**record.versions, "device": device, "git revision": record.git_revision or "unknown"}
        for name, value in values.items():
            found.setdefault(name, {})[value] = None
    return {name: ", ".join(values) for name, values in found.items()}


def _config(run: RunFolder) -> str:
    try:
        return to_yaml(run_config(run))
    except UserError as error:
        return str(error)


def _data_uri(picture: Picture) -> str:
    # Not inline: the ids within several inline SVGs would clash.
    return f"data:image/svg+xml;base64,{base64.b64encode(encode(picture.figure, 'svg')).decode('ascii')}"
