"""Search hyperparameters of every optimizer with Optuna, with one budget, and write the tuned config.

Every optimizer gets as many points, seeds and steps as any other. A point is judged by its errors on the
validation split, a sixth of the training set that is in no draw; the test set is not looked at. Without
--space the learning rates are searched, from a thirtieth of the config's to thirty times as much. The points
lie in RESULTS/NAME, with Optuna's journal study.log and tuned.yaml, from which 'dba run' goes on. The same
command goes on where it was stopped; with more --trials it goes on after the last.

[bold]Examples[/bold]

  dba tune mnist_1pct --trials 12 --jobs 2

  dba tune mnist_1pct --space lr=0.1,1 --space optimizers.dba.size=25,50

  dba tune mnist_1pct --space "lr={low: 0.01, high: 1, log: true}"

  dba tune mnist_1pct --optimizer dba --space metric=snr,norm --backend ray
"""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dba_cli.cli._options import OneConfig, execute, option, shown, with_training_options

if TYPE_CHECKING:
    from dba_cli.tuning import Tuned


@with_training_options()
def tune(
    config: OneConfig,
    space: Annotated[
        list[str] | None,
        option(
            "--space",
            metavar="KEY=V1,V2,...",
            help="A key of every optimizer, such as lr, or of one, such as optimizers.dba.size, and its "
            "choices, or a range KEY={low: 0.001, high: 1, log: true}; repeatable.",
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, max=10_000, metavar="N", help="Points of each optimizer.")
    ] = 12,
    search_seed: Annotated[int, typer.Option("--search-seed", min=0, metavar="N", help="Of the search.")] = 0,
    name: Annotated[
        str | None,
        option(metavar="NAME", help="Folder in RESULTS; default: the experiment's name and '_tune'."),
    ] = None,
    **options: Any,
) -> None:
    execute(
        "tune_config", config, space, show=show, trials=trials, search_seed=search_seed, name=name, **options
    )


def show(done: "Tuned") -> None:
    """Print the points, what was chosen, and what to do next."""
    shown(done.folder)
    for name, values in done.chosen.items():
        said = ", ".join(
            f"{key.removeprefix(f'optimizers.{name}.')}={value}" for key, value in values.items()
        )
        typer.echo(f"{name}: {said}")
    for note in done.notes:
        typer.echo(f"! {note}")
    typer.echo(f"Records: {done.folder}")
    if done.config is not None:
        typer.echo(f"Next: dba run {shlex.quote(str(done.config))}")
