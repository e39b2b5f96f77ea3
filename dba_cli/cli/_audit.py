"""Rank the labels of your own data, or of a recorded run, by how probably they are wrong.

One network is trained on all of it, a test part included. It remembers by how much it agreed with each label;
the second half of training leaves out what it has clearly contradicted, and the mean margin over that half
ranks all.
RESULTS/NAME_audit gets labels.csv (sample, label, likely label, score; the most suspicious first) and
labels.html, a gallery of the first ones. An audit that is stopped goes on where it was. Nothing in DATA is
changed, and nobody need know how many labels are wrong: it ranks.

[bold]Examples[/bold]

  dba audit photos                    a sub-folder of images for each class

  dba audit wine.csv --target quality --top 50

  dba audit photos --set model.kind=resnet

  dba audit results/smoke/dba/seed-0  what a recorded run was trained on
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dba_cli.cli._options import option, with_training_options

_PRINTED = 10


@with_training_options("overrides", "data", "results", "device", "quiet")
def audit(
    data_path: Annotated[
        Path,
        typer.Argument(
            help="A folder of images, a .npz, a CSV, or the folder of a recorded run.",
            metavar="DATA",
            show_default=False,
        ),
    ],
    target: Annotated[
        str | None, option(metavar="COLUMN", help="The column of a CSV that holds the classes.")
    ] = None,
    seed: Annotated[
        int | None,
        option(metavar="N", min=0, help="Of the weights and the batches' order; default: 0, a run's own."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", metavar="N", min=1, max=10_000, help="Samples that the gallery shows.")
    ] = 100,
    **options: Any,
) -> None:
    # Not above: ``--help`` does not wait for torch.
    from dba_cli import api
    from dba_cli.cli._progress import reporter

    quiet = options.pop("quiet")
    with reporter(options["results"], quiet=quiet) as report:
        try:
            done = api.audit_labels(data_path, target, seed=seed, top=top, reporter=report, **options)
        except KeyboardInterrupt:
            report.notice("interrupted; the same command goes on from the state last saved")
            sys.exit(130)
    if not quiet:
        typer.echo(done.frame.head(min(top, _PRINTED)).to_string(index=False))
        typer.echo()
    typer.echo(done.sentence)
    typer.echo(f"Ranking: {done.ranking}")
    typer.echo(f"Gallery: {done.page}")
