"""``REPORT.md``, its figures, ``claims.json`` and the write-up, from the committed digests alone."""

import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from dba_cli.comparison import called
from dba_cli.plots import encode
from dba_cli.records import write_atomically
from reproduction import markdown, statistics
from reproduction.choose import rate
from reproduction.claims import claims_json, claims_table, judged
from reproduction.command import ROOT, Place
from reproduction.paper import DRAWS, SMALL
from reproduction.studies import studies, wrong_labels
from reproduction.study import Study

Studies = Mapping[str, Study]


def claims(place: Place, found: Studies | None = None) -> str:
    """Return the text of ``claims.json``: every claim of the studies that have runs.

    Here and below ``found`` are the place's studies, where their records have been read before.
    """
    ready = [study for study in (found or studies(place)).values() if study.ready]
    return claims_json(place.dataset, [claim for study in ready for claim in study.claims()])


def report(place: Place, found: Studies | None = None) -> str:
    """Return the text of the report; a study that has no runs is left out."""
    found = found or studies(place)
    table = claims_table(claims(place, found))
    text = _template("report.md.jinja", place).render(studies=found, claims_table=table)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def paper(place: Place, found: Studies | None = None) -> str:
    """Return the Typst source of the write-up, which needs the runs of every study."""
    text = _template("paper.typ.jinja", place).render(studies=found or studies(place))
    # A number keeps to what belongs to it.
    text = re.sub(r"(?<=\d) (?=[±%]|\d{3}\b)|(?<=±) (?=\d)", "~", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _template(name: str, place: Place) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown and Typst
    )
    filters = (markdown.accuracy, markdown.interval, markdown.number, markdown.p_value, markdown.score)
    environment.filters |= {each.__name__: each for each in (*filters, markdown.signed, called)}
    functions = (markdown.less, rate, statistics.accuracy_at, statistics.reach)
    functions += (statistics.difference, statistics.mean_accuracy, judged, markdown.rows, markdown.benchmark)
    environment.globals |= {each.__name__: each for each in functions}
    environment.globals |= {"outcome": wrong_labels.outcome, "place": place, "draws": DRAWS, "small": SMALL}
    return environment.get_template(name)


def write_report(place: Place) -> None:
    """Write report, claims and figures into the place's folder, and of MNIST the write-up into docs/paper."""
    found = studies(place)
    (place.report / "figures").mkdir(parents=True, exist_ok=True)
    for study in found.values():
        for name, figure in (study.figures() if study.ready else {}).items():
            for kind in ("svg", "png"):  # a second drawing is laid out a little otherwise
                write_atomically(place.report / f"figures/{name}.{kind}", encode(figure, kind))
    write_atomically(place.report / "claims.json", claims(place, found))
    write_atomically(place.report / "REPORT.md", report(place, found))
    if place == Place():
        write_atomically(ROOT / "docs/paper/paper.typ", paper(place, found))
