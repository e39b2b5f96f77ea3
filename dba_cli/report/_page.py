"""The page: what the records say, laid out by the template."""

import base64
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dba_cli import __version__
from dba_cli.comparison import Estimate, Section, called, compare, setting_line, table_cells
from dba_cli.config import to_yaml
from dba_cli.errors import UserError
from dba_cli.plots import Layout, Picture, encode, layout, make_album, run_config
from dba_cli.records import ExperimentFolder, RunFolder, RunRecord

_DRAWN = 3
"""Where there are more experiments than twice as many, so many are drawn: those with the best accuracy."""
_LAYOUT = Layout(width=4.6, titles=False)  # two beside each other on a screen, one on a telephone
_FIRST = ("curves-steps", "targets", "fractions")  # the other pictures open by a click
_RUN_COLUMNS = {  # whether each is made of numbers
    "Experiment": False,
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
    comparison = compare(results, names)
    named = dict(zip(comparison.names, comparison.sections, strict=True))
    drawn = _best(named) if len(named) > 2 * _DRAWN else list(named)
    with layout(_LAYOUT):
        album = make_album(results, [named[name].experiment for name in drawn], data_dir=data_dir)
    pictures: dict[str | None, list[Picture]] = {}
    for picture in album.pictures:
        pictures.setdefault(picture.study, []).append(picture)
    shared = pictures.pop(None, [])
    ranking = None
    if comparison.sweep is not None:
        *figures, below = table_cells(comparison.sweep)
        ranking = {"figures": figures, "below": below}
        shared = _of_all(results, data_dir)
    parts = [
        _part(named[name], results, data_dir) | {"pictures": _sorted(pictures.get(name, []), name)}
        for name in drawn
    ]
    rows = [_cells(record) for section in named.values() for _, record in _runs(section, results)]
    notes = list(album.notes)
    if len(drawn) < len(named):
        notes.append(
            f"the {len(drawn)} experiments with the best accuracy are drawn; "
            f"the other {len(named) - len(drawn)} are in the table of all runs"
        )
    values = {
        "parts": parts,
        "ranking": ranking,
        "shared": shared,
        "notes": notes,
        "command": command,
        "lead": lead,
    }
    runs = (list(_RUN_COLUMNS), list(_RUN_COLUMNS.values()), rows)
    return rendered("report.html.jinja", runs=runs, **values), list(album.notes)


def _best(named: Mapping[str, Section]) -> list[str]:
    """Return the experiments with the best accuracy of any optimizer, the best first."""
    accuracies = {
        name: max((row.accuracy.mean for row in section.rows if row.accuracy), default=0.0)
        for name, section in named.items()
    }
    return sorted(accuracies, key=accuracies.__getitem__, reverse=True)[:_DRAWN]


def _of_all(results: Path, data_dir: Path) -> list[Picture]:
    """Return the pictures of a sweep as a whole; of more than two keys there are none."""
    try:
        with layout(_LAYOUT):
            return list(make_album(results, kinds=["points"], data_dir=data_dir).pictures)
    except UserError:
        return []


def _sorted(pictures: Sequence[Picture], name: str) -> tuple[list[Picture], list[Picture]]:
    """Return which pictures are seen at once, and the others."""
    first = [picture for picture in pictures if picture.stem.removeprefix(f"{name}-") in _FIRST]
    return first, [picture for picture in pictures if picture not in first]


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


def _runs(section: Section, results: Path) -> list[tuple[RunFolder, RunRecord]]:
    wanted = {(row.optimizer, row.config_hash) for row in section.rows}
    return [
        (run, record)
        for run in ExperimentFolder(results / section.experiment).runs()
        if (record := run.read()) is not None and (record.optimizer, record.config_hash) in wanted
    ]


def _part(section: Section, results: Path, data_dir: Path) -> dict[str, Any]:
    """Return what the page says of one experiment; a table is its titles, which are numeric, and its rows."""
    *figures, below = table_cells(section)
    runs = _runs(section, results)
    firsts = sorted({record.optimizer: run for run, record in reversed(runs)}.items())
    return {
        "name": section.experiment,
        "description": section.description,
        "notice": section.notice,
        "setting": setting_line(section),
        "verdicts": _verdicts(section),
        "figures": figures,
        "below": below,
        "configs": [(called(name), _config(run)) for name, run in firsts],
        "commands": [
            _again(run, [r for _, r in runs if r.optimizer == name], data_dir) for name, run in firsts
        ],
        "versions": _versions([record for _, record in runs]),
    }


def _verdicts(section: Section) -> list[str]:
    """Return, in a sentence for each, whether what selects makes fewer errors than SGD and Adam."""
    return [
        f"{called(row.optimizer)} makes {_fewer(reduction)} than {baseline}{_sure(reduction)}."
        for row in section.rows
        for baseline, reduction in (("SGD", row.vs_sgd), ("Adam", row.vs_adam))
        if row.selects and reduction is not None
    ]


def _fewer(reduction: Estimate) -> str:
    half = "" if reduction.half_width is None else f" ± {100 * reduction.half_width:.1f}"
    return f"{abs(100 * reduction.mean):.1f}{half} % {'fewer' if reduction.mean >= 0 else 'more'} errors"


def _sure(reduction: Estimate) -> str:
    if reduction.half_width is None:
        return ", with one seed, which may be chance"
    shown = "" if abs(reduction.mean) > reduction.half_width else ": no difference is shown"
    return f" ({reduction.n} pairs of seeds){shown}"


def _again(run: RunFolder, records: Sequence[RunRecord], data_dir: Path) -> str:
    """Return the command that does all runs of an optimizer again."""
    seeds = ",".join(str(record.seed) for record in records)
    words = ["dba", "run", str(run.path / "config.yaml"), "--set", f"seeds=[{seeds}]"]
    official = any(record.data.source == "official" for record in records)
    return shlex.join([*words, *(["--data", str(data_dir)] if official else []), "--results", "again"])


def _cells(record: RunRecord) -> list[str]:
    final = record.final
    return [
        record.experiment,
        called(record.optimizer),
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
