"""How ``dba run`` and ``dba sweep`` train, show it, and end."""

import sys
from pathlib import Path
from typing import Any, Literal


def execute(
    work: Literal["train", "train_sweep"], *arguments: Any, results: Path, quiet: bool, **how: Any
) -> None:
    """Do ``work`` of :mod:`dba_cli.api`, with a display; exit with 1 where runs failed, 130 at Ctrl-C."""
    # Not above: ``--help`` does not wait for torch.
    from dba_cli import api
    from dba_cli.cli._progress import reporter

    with reporter(results, quiet=quiet) as report:
        try:
            done = getattr(api, work)(*arguments, results=results, reporter=report, **how)
        except KeyboardInterrupt:
            report.notice(
                "interrupted; finished runs are kept, and the state of those under way; "
                "the same command goes on from there"
            )
            sys.exit(130)
        failures = done.summary.failures
        for failure in failures:
            report.notice(
                f"failed: {failure.experiment} {failure.optimizer} seed {failure.seed}: {failure.error}"
            )
        if failures:
            report.notice(
                f"{'1 run has' if len(failures) == 1 else f'{len(failures)} runs have'} failed; "
                "--retry-failed does them again; failure.json in the folder of each has the traceback"
            )
            sys.exit(1)
