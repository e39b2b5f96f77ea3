"""How ``dba run`` and ``dba sweep`` end, and who works for them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dba_cli.cli._options import Backend
from dba_cli.errors import UserError

if TYPE_CHECKING:
    from dba_cli.experiments import Reporter, Summary, Workers


def chosen_workers(jobs: int | None, backend: Backend, address: str | None) -> "Workers":
    """Return the workers that the options name.

    Raises:
        UserError: An address without a cluster.
    """
    from dba_cli.experiments import Workers

    if address is not None and backend is not Backend.ray:
        raise UserError(f"--address {address}: only a Ray cluster has one; add --backend ray")
    return Workers(jobs, backend.value, address)


def finish(work: "Callable[[Reporter], Summary]", results: Path, *, quiet: bool) -> None:
    """Do ``work`` with a display; exit with 1 where runs have failed, with 130 at Ctrl-C."""
    from dba_cli.cli._progress import reporter

    with reporter(results, quiet=quiet) as report:
        try:
            summary = work(report)
        except KeyboardInterrupt:
            report.notice(
                "interrupted; finished runs are kept, and the state of those under way; "
                "the same command goes on from there"
            )
            sys.exit(130)
        for failure in summary.failures:
            report.notice(
                f"failed: {failure.experiment} {failure.optimizer} seed {failure.seed}: {failure.error}"
            )
        if summary.failures:
            number = len(summary.failures)
            report.notice(
                f"{'1 run has' if number == 1 else f'{number} runs have'} failed; --retry-failed does them "
                "again; failure.json in the folder of each has the traceback"
            )
            sys.exit(1)
