"""``python -m reproduction {run,digest,choose,report}``; ``make reproduce`` and ``make report`` call it."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dba_cli.config import load
from dba_cli.data import DATASETS
from dba_cli.records import write_atomically
from reproduction.command import ROOT, Command, Place
from reproduction.report import write_report
from reproduction.studies import studies
from reproduction.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one part of the reproduction; return the exit code. The arguments are the command line's."""
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    parser.add_argument("part", choices=["run", "digest", "choose", "report"])
    parser.add_argument("commands", nargs="*", metavar="command", help="folders of results; default: all")
    parser.add_argument(
        "--dataset",
        choices=[name for name in DATASETS if DATASETS[name].files],
        default="mnist",
        help="default: mnist",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed, few points, few steps; a folder of its own"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("DBA_DATA") or ROOT / "data"),
        help="folder of the official files (default: DBA_DATA, else data)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    words = parser.parse_args(arguments)
    if words.quick and words.part == "choose":
        parser.error("what is chosen is chosen from whole runs: leave --quick out")
    place = Place(words.dataset, words.quick)
    found = [(study, command) for study in studies(place).values() for command in study.commands]
    unknown = set(words.commands) - {command.name for _, command in found}
    if unknown:
        parser.error(f"no such command: {', '.join(sorted(unknown))}")
    wanted = [each for each in found if not words.commands or each[1].name in words.commands]
    if words.part == "run":
        return next((code for each in wanted if (code := _run(*each, words.data, words.jobs)) != 0), 0)
    if words.part == "digest":
        for _, command in wanted:
            print(f"{command.name}: {command.write_digest()} runs")
    elif words.part == "choose":
        for study in studies(place).values():
            _choose(study)
    else:
        write_report(place)
    return 0


def _run(study: Study, command: Command, data: Path, jobs: int) -> int:
    if command.chosen and not command.place.quick and (command.place.suffix or not command.path.exists()):
        _choose(study)
    if command.chosen and not command.path.exists():
        print(f"{command.name}: left out, nothing is chosen for it yet", flush=True)
        return 0
    own = load(command.path, command.overrides).data.path
    if own is not None and not (data / own).exists():
        print(f"{command.name}: left out, there is no {data / own}", flush=True)
        return 0
    line = [*command.words, "--jobs", str(jobs), "--data", str(data)]
    print("dba", *line, flush=True)
    code = subprocess.run([sys.executable, "-m", "dba_cli", *line], check=False).returncode
    if code == 0:
        command.write_digest()
        study.after_run(data)
    return code


def _choose(study: Study) -> None:
    for path, text in study.chosen().items():
        write_atomically(path, text)


if __name__ == "__main__":
    sys.exit(main())
