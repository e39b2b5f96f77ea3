"""Processes of this machine or of a cluster that do the work. joblib is the one way to all."""

import logging
import socket
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dba_cli.errors import UserError
from dba_cli.experiments._plan import Workers

_CONNECT_SECONDS = 10


@contextmanager
def pool_of(workers: Workers) -> Iterator["Pool"]:
    """Yield what does the calls, for as long as there is something to do.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    if workers.backend == "ray":
        with _ray(workers.jobs, workers.address):
            yield Pool("ray", workers.jobs or -1)
    else:
        yield Pool("loky", workers.jobs or 1)


@dataclass(frozen=True)
class Pool:
    """A joblib backend by name and its number of workers."""

    backend: str
    jobs: int

    def results(self, calls: Iterable[Any]) -> list[Any]:
        """Return the results of ``delayed`` calls; take the calls only when they are due."""
        from joblib import Parallel

        # One run a batch: joblib would else hold runs back to make batches of short ones.
        return list(Parallel(n_jobs=self.jobs, backend=self.backend, batch_size=1)(calls))


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
