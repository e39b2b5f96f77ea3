"""Print recorded runs as tables: accuracy, error rate, error reduction, and the paper's figure.

Accuracy is the mean over seeds at the end of training, with a 95 % confidence interval; the
relative error reductions against SGD and Adam are paired by seed. Runs of different protocols,
data sources, draws or configs never share a row.

[bold]Examples[/bold]

  dba compare

  dba compare mnist_1pct mnist_full --format markdown --output tables.md

  dba compare --strict --results results/reference
"""

from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._options import RESULTS, Experiments, Format, ResultsDir, option


def compare(
    experiments: Experiments = None,
    style: Annotated[Format, typer.Option("--format", "-f", help="How to print the tables.")] = "table",
    output: Annotated[
        Path | None, option("--output", "-o", metavar="FILE", help="Write to this file instead.")
    ] = None,
    results: ResultsDir = RESULTS,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to print a table of which runs are missing.")
    ] = False,
) -> None:
    # Not above: completion does not wait for them.
    from dba_cli.comparison import compare as read
    from dba_cli.comparison import print_tables, render
    from dba_cli.records import write_atomically

    comparison = read(results, experiments, strict=strict)
    if output is not None:
        write_atomically(output, render(comparison, style))
    elif style == "table":
        print_tables(comparison)
    else:
        typer.echo(render(comparison, style), nl=False)
