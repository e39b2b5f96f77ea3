"""``dba`` commands as forks of one process that has loaded torch and the data, each killed at its moment.

A program: it reads a job per line, ``{"arguments": [...], "signal": 9, "after": seconds or null, "log":
file}``, and answers with a line ``{"code": ..., "seconds": ...}``: the exit code, negative for the signal
that killed.
"""

import functools
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dba_cli.cli import main
from dba_cli.data import _embedded
from dba_cli.experiments import _provenance
from dba_cli.training import _deformation


def prepared() -> None:
    """Do what every command would do again; the bits of a run do not depend on it."""
    torch.set_num_threads(1)
    np.loadtxt = functools.cache(np.loadtxt)
    _embedded.load_embedded()
    _deformation._FIELDS = 64
    _provenance.git_revision = lambda: "0" * 40
    _provenance.versions()
    # The first optimizer of a process imports much of torch.
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0).step()


def run(job: dict[str, Any]) -> int:
    """Be the victim."""
    # Where files may not grow, a pipe is as a terminal: it has room.
    log = job["pipe"] if "pipe" in job else os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    if job.get("folder"):
        os.chdir(job["folder"])
    if job.get("limit") is not None:  # as on a full disk: no file may grow beyond it
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], resource.RLIM_INFINITY))
    try:
        main(job["arguments"])
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"Traceback: {error!r}", file=sys.stderr, flush=True)
    return 1


def ended(pid: int, job: dict[str, Any]) -> int:
    """Wait for the victim, and be its murderer when its time has come."""
    deadline = None if job["after"] is None else time.monotonic() + job["after"]
    while True:
        found, status = os.waitpid(pid, os.WNOHANG if deadline is not None else 0)
        if found:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(pid, job["signal"])
            deadline = None
        time.sleep(0.0005)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    prepared()
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        if job.get("limit") is not None:
            said, job["pipe"] = os.pipe()
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os._exit(run(job))
        code = ended(pid, job)
        if "pipe" in job:
            os.close(job["pipe"])
            with os.fdopen(said, "rb") as printed:
                Path(job["log"]).write_bytes(printed.read())
        print(json.dumps({"code": code, "seconds": time.monotonic() - began}), flush=True)
