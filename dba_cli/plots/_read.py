"""From records to what figures are drawn from: the same rows as the tables, with their histories."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dba_cli.comparison import Row, Section, compare, setting_line
from dba_cli.errors import UserError, did_you_mean
from dba_cli.plots._series import Line, Run
from dba_cli.records import ExperimentFolder, RunFolder


@dataclass(frozen=True)
class Study:
    """The runs of one experiment that share a setting; each optimizer that has some is a row and a line."""

    name: str
    section: Section
    rows: Sequence[Row]
    lines: Sequence[Line]
    folder: ExperimentFolder

    @property
    def title(self) -> str:
        """Return what stands over its figures: the name, and what every figure must say of its data."""
        notice = f"\n{self.section.notice}" if self.section.notice else ""
        return f"{self.section.experiment}\n{setting_line(self.section)}{notice}"

    def folders(self, row: Row) -> list[tuple[int, RunFolder]]:
        """Return the finished runs of a row by seed, in ascending order."""
        return [(seed, self.folder.run(row.optimizer, seed)) for seed in row.finished]


def read_studies(results: Path, names: Sequence[str] | None, optimizers: Sequence[str] = ()) -> list[Study]:
    """Read the named experiments under ``results``, or all; ``optimizers`` narrows them, empty means all.

    Runs of another config than the plan's are left out, as the tables leave them out of comparisons.

    Raises:
        UserError: A name is unknown, a record is damaged, or there is no run to draw.
    """
    sections = compare(results, names).sections
    known = list(dict.fromkeys(row.optimizer for section in sections for row in section.rows))
    for name in optimizers:
        if name not in known:
            raise UserError(f"--optimizer {name}: in none of these experiments{did_you_mean(name, known)}")
    studies: list[Study] = []
    for section in sections:
        picked = [row for row in section.rows if not optimizers or row.optimizer in optimizers]
        rows = [row for row in picked if row.current and (row.finished or row.diverged)]
        if not rows:
            continue
        folder = ExperimentFolder(results / section.experiment)
        earlier = sum(study.section.experiment == section.experiment for study in studies)
        name = f"{section.experiment}-{earlier + 1}" if earlier else section.experiment
        lines = []
        for row in rows:
            seeds = sorted((*row.finished, *row.diverged))
            runs = [
                Run(seed, folder.run(row.optimizer, seed).history(), seed in row.diverged) for seed in seeds
            ]
            lines.append(Line(row.optimizer, runs, row.planned))
        studies.append(Study(name, section, rows, lines, folder))
    if not studies:
        wanted = ", ".join(names) if names else results
        raise UserError(f"{wanted}: no run with the plan's config to draw; `dba run` does the missing ones")
    return studies


def together(studies: Sequence[Study]) -> list[Line]:
    """Return all lines, named by experiment as well where there are several."""
    if len(studies) == 1:
        return list(studies[0].lines)
    return [replace(line, label=f"{study.name}: {line.label}") for study in studies for line in study.lines]
