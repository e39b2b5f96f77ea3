"""Processes of this machine or of a cluster that do the work. joblib is the one way to all."""

import logging
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from joblib import Parallel

from dba_cli.errors import UserError
from dba_cli.experiments._plan import Workers

_CONNECT_SECONDS = 10


Pool = Callable[[Iterable[Any]], list[Any]]
"""Returns the results of ``delayed`` calls, which are taken when they are due."""


@contextmanager
def pool_of(workers: Workers) -> Iterator[Pool]:
    """Yield what does the calls; refuse a backend that is not installed, or a cluster that is not there."""
    jobs = workers.jobs or (-1 if workers.backend == "ray" else 1)
    with _ray(workers.jobs, workers.address) if workers.backend == "ray" else nullcontext():
        # One run a batch: joblib would else hold runs back to make batches of short ones.
        yield lambda calls: list(Parallel(n_jobs=jobs, backend=workers.backend, batch_size=1)(calls))


@contextmanager
def _ray(jobs: int | None, address: str | None) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise UserError("--backend ray: Ray is not installed; pip install 'dba-cli[ray]'") from None
    if address is not None:
        _require_listener(address)
    # On a machine of its own Ray is given the workers that were asked for; a cluster knows its cores.
    size = {"num_cpus": jobs, "include_dashboard": False} if address is None else {"address": address}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray about itself, at its start
        try:
            ray.init(**size, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"--address {address}: no Ray cluster there ({str(error)[:200]})") from None
    try:
        register_ray()
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return  # "auto", say
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--address {address}: no Ray cluster there ({error})") from None
