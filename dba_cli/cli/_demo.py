"""Four of ten labels are wrong: watch SGD and Adam learn them, and DBA leave them out. Under a minute.

On the MNIST sample that comes with the installation: no network, and no figure that compares to the
paper's. The three optimizers see the same 600 images, start from the same weights and advance
together; three seeds, one after the other. It ends in the table, a sentence of what was seen, and the
paths of the pictures, among them the images whose labels DBA refused. The runs are recorded in
RESULTS/demo, like any others, and done anew each time.

[bold]Examples[/bold]

  dba demo

  dba demo --steps 200 --no-pictures
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from dba_cli.cli._options import RESULTS, ResultsDir, notice
from dba_cli.cli._plot import draw
from dba_cli.comparison import Comparison, called, compare, print_tables
from dba_cli.demo import STEPS, Progress, demo_config, train_side_by_side
from dba_cli.experiments import Images as DataSets
from dba_cli.experiments import PlannedRun, Reporter
from dba_cli.plots import make_album, refused
from dba_cli.records import Evaluation, ExperimentFolder
from dba_cli.training import Observer

TITLE = "SGD, Adam and DBA side by side: one hidden layer, 600 images, 240 of them labelled wrong"


def demo(
    results: ResultsDir = RESULTS,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Update steps of each run.")] = STEPS,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw the pictures.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only what comes out.")] = False,
) -> None:
    config = demo_config(steps)
    console = Console(highlight=False)
    reporter = Reporter()
    try:
        with ExitStack() as shown:
            if not quiet and sys.stdout.isatty():
                names = [entry.name for entry in config.optimizers]
                reporter = progress = Progress(TITLE, names, len(config.seeds))
                live = shown.enter_context(Live(progress, console=console, auto_refresh=False))
                progress.refresh = live.refresh
            elif not quiet:
                typer.echo(TITLE)
                reporter = _Lines()
            train_side_by_side(config, results, reporter)
    except KeyboardInterrupt:
        notice("interrupted; 'dba demo' starts anew")
        sys.exit(130)
    name = config.experiment.name
    comparison = compare(results, [name])
    print_tables(comparison, console)
    typer.echo(f"\n{_seen(comparison, results / name)}")
    if pictures:
        typer.echo("\nPictures of the embedded sample's figures:")
        draw(make_album(results, [name]), results / name / "pictures", ["png"], indent="  ")
    typer.echo(
        "\nNext: `dba try DATA` says whether it helps on your data, `dba audit DATA` which labels are wrong."
    )


def _seen(comparison: Comparison, folder: Path) -> str:
    """Return what the runs showed, in sentences."""
    errors = {row.optimizer: row.error for row in comparison.sections[0].rows}
    parts = [
        f"{called(name)} {100 * error.mean:.0f} %" for name, error in errors.items() if error is not None
    ]
    text = f"Errors on images with right labels: {', '.join(parts)}, mean of the seeds."
    found = refused(ExperimentFolder(folder).run("dba", 0), DataSets(Path("data")))
    return text if found is None else f"{text}\nOf seed 0, late in DBA's training, {found.sentence}."


class _Lines(Reporter):
    def started(self, run: PlannedRun) -> Observer:
        return _Line(run)


class _Line(Observer):
    """Says a tenth of the evaluations, and the last."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run

    def evaluated(self, row: Evaluation) -> None:
        run = self._run
        steps, period = run.timeline.steps, run.timeline.evaluation_period
        tenth = max(period, -(-steps // 10) // period * period)
        if row.step and (row.step % tenth == 0 or row.step == steps):
            kept = "".join(f"  {layer} keeps {share:.0%}" for layer, share in row.fractions.items())
            typer.echo(
                f"seed {run.seed}  {run.optimizer:<4}  step {row.step}/{steps}"
                f"  test accuracy {row.test_accuracy:.1%}{kept}"
            )
