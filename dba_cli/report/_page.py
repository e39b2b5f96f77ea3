"""The page: the content in its template."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from dba_cli import __version__
from dba_cli.report._content import parts


def report_page(
    results: Path, names: Sequence[str] | None, data_dir: Path, command: str
) -> tuple[str, list[str]]:
    """Return the HTML of the named experiments under ``results``, or of all, and why pictures are missing.

    The same records give the same page. ``command`` is what made it, for the page to say.

    Raises:
        UserError: An unknown name, a damaged record, or nothing recorded.
    """
    found, shared, notes = parts(results, names, data_dir)
    # Names and descriptions come from files that anyone may have written: everything is escaped.
    environment = Environment(
        loader=PackageLoader("dba_cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates = files("dba_cli.report") / "templates"
    page = environment.get_template("report.html.jinja").render(
        parts=found,
        shared=shared,
        notes=notes,
        command=command,
        version=__version__,
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script=(templates / "report.js").read_text(encoding="utf-8"),
    )
    return page, notes
