"""From digests to the lines and rungs that ``dba_cli.plots`` draws."""

from pathlib import Path

import pandas as pd

from dba_cli.plots import FORMATS, Line, Run, encode
from dba_cli.records import Evaluation, write_atomically


def lines(histories: pd.DataFrame, names: list[str]) -> list[Line]:
    """Return one line per optimizer in ``names``, from evaluations of one point."""
    return [Line(name, _runs(histories[histories.optimizer == name])) for name in names]


def save_figure(figure: object, name: str, folder: Path) -> None:
    """Write the figure as PNG and SVG."""
    for kind in FORMATS:
        write_atomically(folder / f"{name}.{kind}", encode(figure, kind))  # type: ignore[arg-type]


def _runs(histories: pd.DataFrame) -> list[Run]:
    return [Run(int(str(seed)), _points(rows)) for seed, rows in histories.groupby("seed", sort=True)]


def _points(rows: pd.DataFrame) -> list[Evaluation]:
    return [
        Evaluation(
            step=row.step,
            epoch=0.0,
            samples_processed=row.samples,
            train_loss=None,
            test_loss=0.0,
            test_accuracy=row.accuracy,
            seconds=row.seconds,
            fractions={},
        )
        for row in rows.itertuples()
    ]
