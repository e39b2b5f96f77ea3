"""What a run's folder holds, in groups of named facts; a new key of a record is shown without a line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dba_cli.errors import UserError
from dba_cli.inspection._wording import fact, file_size
from dba_cli.records import Evaluation, ExperimentFolder, RunFolder, RunRecord


@dataclass(frozen=True)
class RunView:
    """A record for reading: ``groups`` of (name, text), the evaluations, and the folder's files."""

    title: str
    notice: str | None
    groups: Mapping[str, list[tuple[str, str]]]
    history: list[Evaluation]
    files: list[tuple[str, str]]


def view_run(folder: Path) -> RunView:
    """Read the record of one run; ``folder`` is the run's, or a file in it.

    Raises:
        UserError: There is no finished run there, or its record is damaged.
    """
    folder = folder.parent if folder.is_file() else folder
    run = RunFolder(folder)
    record = run.read()
    if record is None:
        raise UserError(_no_run(folder))
    return RunView(
        title=f"{record.experiment} / {record.optimizer} / seed {record.seed}",
        notice=record.data.notice,
        groups=_groups(record),
        history=run.history(),
        files=[(path.name, file_size(path)) for path in sorted(folder.iterdir()) if path.is_file()],
    )


def _groups(record: RunRecord) -> dict[str, list[tuple[str, str]]]:
    """Return single values under ``run``, and each part of the record under its own name."""
    groups: dict[str, list[tuple[str, str]]] = {"run": []}
    # The config by dotted key; of the one optimizer the name stands above.
    said = record.model_dump(exclude={"config"}) | {"config": record.settings}
    for key, value in said.items():
        if isinstance(value, dict):
            # The notice stands above the tables, whole.
            groups[key] = [fact(inner, of) for inner, of in value.items() if inner != "notice"]
        else:
            groups["run"].append(fact(key, value))
    return groups


def _no_run(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: no such folder or file; give a run's folder or a config file"
    # The folder of an experiment, or that of one of its optimizers.
    beside = [run for run in ExperimentFolder(folder.parent).runs() if run.path.parent == folder]
    runs = ExperimentFolder(folder).runs() or beside
    if runs:
        return f"{folder}: is no single run; give one of its {len(runs)}, such as {runs[0].path}"
    config = folder / "config.yaml"
    if config.is_file():
        return f"{folder}: no result.json: the run has not finished; give {config} for its plan"
    return f"{folder}: no run lies here; a run's folder is RESULTS/EXPERIMENT/OPTIMIZER/seed-N"
