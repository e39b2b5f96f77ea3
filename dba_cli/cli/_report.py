"""Write one HTML file with the tables, the pictures, the configs, the commands and the versions.

It opens from disk and needs no network; its tables can be sorted and searched, and it prints.

[bold]Examples[/bold]

  dba report

  dba report mnist_1pct --results results/reference --output reference.html
"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._options import DATA, RESULTS, DataDir, Experiments, ResultsDir, notice


def report(
    experiments: Experiments = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE")] = Path(
        "report.html"
    ),
    results: ResultsDir = RESULTS,
    data: DataDir = DATA,
) -> None:
    # Not above: completion does not wait for the pictures.
    from dba_cli.records import write_atomically
    from dba_cli.report import report_page

    words = ["dba", "report", *(experiments or []), "--results", str(results), "--output", str(output)]
    page, notes = report_page(results, experiments, data, shlex.join(words))
    write_atomically(output, page)
    typer.echo(str(output))
    for note in notes:
        notice(note)
