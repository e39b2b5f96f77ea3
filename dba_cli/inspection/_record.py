"""What a run's folder holds, in groups of named facts; a new key of a record is shown without a line here."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dba_cli.errors import UserError
from dba_cli.inspection._wording import fact, fact_table, file_size, heading, seconds_text, table
from dba_cli.records import Evaluation, ExperimentFolder, RunFolder, RunRecord
from dba_cli.sparkline import sparkline

_CURVE = 40
_OF_LAYERS = {
    "fractions": "kept by",
    "drop_precision": "share wrong of what was left out by",
    "drop_recall": "share of the wrong left out by",
}
_ROWS = 8


def run_table(folder: Path, *, ascii_only: bool = False) -> RenderableType:
    """Return everything that the record of one run says; ``folder`` is the run's, or a file in it.

    Raises:
        UserError: There is no finished run there, or its record is damaged.
    """
    folder = folder.parent if folder.is_file() else folder
    run = RunFolder(folder)
    record = run.read()
    if record is None:
        raise UserError(_no_run(folder))
    history = run.history()
    title = f"{record.experiment} / {record.optimizer} / seed {record.seed}"
    parts: list[RenderableType] = [Text(title, style="bold")]
    if record.data.notice:
        parts.append(Text(record.data.notice, style="bold red"))
    for name, facts in _groups(record).items():
        if facts:
            parts += [Text(), heading(name.replace("_", " ")), fact_table(facts)]
    parts += [Text(), heading(f"history ({len(history)} evaluations)"), _history(history)]
    parts.append(_curves(history, ascii_only=ascii_only))
    files = [(path.name, file_size(path)) for path in sorted(folder.iterdir()) if path.is_file()]
    return Group(*parts, Text(), heading("files"), fact_table(files))


def _groups(record: RunRecord) -> dict[str, list[tuple[str, str]]]:
    """Return single values under ``run``, and each part of the record under its own name."""
    groups: dict[str, list[tuple[str, str]]] = {"run": []}
    # The config by dotted key; of the one optimizer the name stands above.
    said = record.model_dump(exclude={"config", "seal"}) | {"config": record.settings}
    if record.seal is None:
        said["seal"] = "none: recorded by a version without seals; compared with its history alone"
    else:
        said["seal"] = f"unbroken, of {', '.join(record.seal.files)} and this record"
    for key, value in said.items():
        if isinstance(value, dict):
            # The notice stands above the tables, whole.
            groups[key] = [fact(inner, of) for inner, of in value.items() if inner != "notice"]
        else:
            groups["run"].append(fact(key, value))
    return groups


def _history(history: list[Evaluation]) -> Table:
    """Return at most so many evaluations, evenly spaced, the first and the last among them."""
    last = len(history) - 1
    shown = sorted({round(i * last / (_ROWS - 1)) for i in range(_ROWS)})
    rows = [
        (
            f"{point.step:,}",
            f"{point.epoch:.4g}",
            "-" if point.train_loss is None else f"{point.train_loss:.4g}",
            f"{point.test_loss:.4g}",
            f"{point.test_accuracy:.2%}",
            seconds_text(point.seconds),
        )
        for point in (history[i] for i in shown)
    ]
    return table(["step", "epoch", "train loss", "test loss", "test accuracy", "training time"], rows)


def _curves(history: list[Evaluation], *, ascii_only: bool) -> Table:
    """Return the accuracy, and what each layer has one of, over training."""
    curves = {"test accuracy": [point.test_accuracy for point in history]}
    for name, words in _OF_LAYERS.items():
        points = [getattr(point, name) for point in history]
        for layer in dict.fromkeys(layer for point in points for layer in point):
            curves[f"{words} {layer}"] = [point[layer] for point in points if layer in point]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, values in curves.items():
        line = sparkline(values, _CURVE, ascii_only=ascii_only)
        grid.add_row(Text(f"  {name}", style="dim"), Text(line), Text(f"{values[-1]:.1%} at the end"))
    return grid


def _no_run(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: no such folder or file; give a run's folder or a config"
    # The folder of an experiment, or that of one of its optimizers.
    beside = [run for run in ExperimentFolder(folder.parent).runs() if run.path.parent == folder]
    runs = ExperimentFolder(folder).runs() or beside
    if runs:
        return f"{folder}: is no single run; give one of its {len(runs)}, such as {runs[0].path}"
    config = folder / "config.yaml"
    if config.is_file():
        return f"{folder}: no result.json: the run has not finished; give {config} for its plan"
    return f"{folder}: no run lies here; a run's folder is RESULTS/EXPERIMENT/OPTIMIZER/seed-N"
