"""``python -m reproduction {run,choose,digest,report}``; ``make reproduce`` and ``make report`` call it."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from dba_cli.records import write_atomically
from reproduction.behaviour import write_behaviour
from reproduction.digest import write_digest
from reproduction.final_configs import final_configs
from reproduction.report import DEFAULT_OUT, write_report
from reproduction.studies import RESULTS, ROOT, STUDIES, Study


def main() -> int:
    """Do one part of the reproduction; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    parser.add_argument("part", choices=["run", "digest", "choose", "report"])
    parser.add_argument("studies", nargs="*", choices=[*(s.name for s in STUDIES), []], help="default: all")
    parser.add_argument(
        "--quick", action="store_true", help="one seed, few points, few steps; a folder of its own"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("DBA_DATA") or ROOT / "data"),
        help="folder of the official MNIST (default: DBA_DATA, else data)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    words = parser.parse_args()
    results = ROOT / "results/reproduction-quick" if words.quick else RESULTS
    studies = [study for study in STUDIES if not words.studies or study.name in words.studies]
    if words.part == "run":
        return next((code for study in studies if (code := _run(study, results, words)) != 0), 0)
    if words.part == "digest":
        for study in studies:
            print(f"{study.name}: {write_digest(study, results)} runs")
    elif words.part == "choose":
        for name, text in final_configs(results).items():
            write_atomically(ROOT / f"configs/reproduce/{name}.yaml", text)
    else:
        write_report(results, results if words.quick else DEFAULT_OUT)
    return 0


def _run(study: Study, results: Path, words: argparse.Namespace) -> int:
    command = study.command(str(results), quick=words.quick)
    command += ["--jobs", str(words.jobs), "--data", str(words.data)]
    print("dba", *command, flush=True)
    code = subprocess.run([sys.executable, "-m", "dba_cli", *command], check=False).returncode
    if code == 0:
        write_digest(study, results)
        if study.name == "behaviour":
            write_behaviour(results, words.data)
    return code


if __name__ == "__main__":
    sys.exit(main())
