"""``REPORT.md``, its figures and ``claims.json``, from the committed digests alone."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dba_cli.plots import encode
from dba_cli.records import write_atomically
from reproduction import markdown, statistics
from reproduction.choose import rate
from reproduction.claims import claims_json, claims_table
from reproduction.command import Place
from reproduction.paper import DRAWS, SMALL
from reproduction.studies import studies, wrong_labels


def claims(place: Place) -> str:
    """Return the text of ``claims.json``: every claim of the studies that have runs."""
    found = [claim for study in studies(place).values() if study.ready for claim in study.claims()]
    return claims_json(place.dataset, found)


def report(place: Place) -> str:
    """Return the text of the report; a study that has no runs is left out."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown
    )
    filters = (markdown.accuracy, markdown.interval, markdown.number, markdown.p_value, markdown.score)
    environment.filters |= {each.__name__: each for each in (*filters, markdown.signed)}
    functions = (markdown.less, rate, statistics.accuracy_at, statistics.reach)
    environment.globals |= {each.__name__: each for each in functions}
    environment.globals |= {"outcome": wrong_labels.outcome, "place": place, "draws": DRAWS, "small": SMALL}
    text = environment.get_template("report.md.jinja").render(
        studies=studies(place), claims_table=claims_table(claims(place))
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def write_report(place: Place) -> None:
    """Write ``REPORT.md``, ``claims.json`` and the figures into the place's folder of the report."""
    (place.report / "figures").mkdir(parents=True, exist_ok=True)
    for study in studies(place).values():
        for name, figure in (study.figures() if study.ready else {}).items():
            for kind in ("png", "svg"):
                write_atomically(place.report / f"figures/{name}.{kind}", encode(figure, kind))
    write_atomically(place.report / "claims.json", claims(place))
    write_atomically(place.report / "REPORT.md", report(place))
