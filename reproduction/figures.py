"""From digests to the lines that ``dba_cli.plots`` draws."""

import pandas as pd

from dba_cli.plots import Line, Run
from dba_cli.records import Evaluation


def lines(histories: pd.DataFrame) -> list[Line]:
    """Return one line per optimizer, in their order, from evaluations of one point."""
    return [
        Line(str(name), [Run(int(str(seed)), _evaluations(rows)) for seed, rows in runs.groupby("seed")])
        for name, runs in histories.groupby("optimizer", sort=False)
    ]


def _evaluations(rows: pd.DataFrame) -> list[Evaluation]:
    return [
        Evaluation(
            step=row.step,
            epoch=0.0,
            samples_processed=row.samples,
            train_loss=None,
            test_loss=0.0,
            test_accuracy=row.accuracy,
            seconds=row.seconds,
        )
        for row in rows.itertuples()
    ]
