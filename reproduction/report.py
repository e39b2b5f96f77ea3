"""``REPORT.md``, its figures and ``claims.json``, from the committed digests alone."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dba_cli.plots import FORMATS, encode
from dba_cli.records import write_atomically
from reproduction.claims import claims_json, claims_table
from reproduction.command import Place
from reproduction.markdown import picture
from reproduction.paper import DRAWS, SMALL
from reproduction.studies import studies


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
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    template = environment.get_template("report.md.jinja")
    return template.render(
        **studies(place),
        place=place,
        draws=DRAWS,
        small=SMALL,
        picture=picture,
        claims_table=claims_table(claims(place)),
    )


def write_report(place: Place) -> None:
    """Write ``REPORT.md``, ``claims.json`` and the figures into the place's folder of the report."""
    (place.report / "figures").mkdir(parents=True, exist_ok=True)
    for study in studies(place).values():
        for name, figure in (study.figures() if study.ready else {}).items():
            for kind in FORMATS:
                write_atomically(place.report / f"figures/{name}.{kind}", encode(figure, kind))
    write_atomically(place.report / "claims.json", claims(place))
    write_atomically(place.report / "REPORT.md", report(place))
