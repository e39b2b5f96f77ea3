"""Python programs as forks of one process that has imported torch, for a shell that starts many of them.

This file is a program that listens at a socket; ``client(socket, name)`` is the text of an executable that
runs as ``name`` (``dba`` or ``python``) in a fork of it: with the caller's arguments, folder, environment
and standard streams, and with its exit code.
"""

import atexit
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

_CLIENT = """#!{python} -IS
import json, os, socket, sys

link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
job = {{"name": {name!r}, "arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(link, [b"."], [0, 1, 2])
link.sendall(json.dumps(job).encode())
link.shutdown(socket.SHUT_WR)
sys.exit(int(link.recv(16) or b"1"))
"""


def client(address: Path, name: str) -> str:
    """Return the text of the executable ``name``."""
    return _CLIENT.format(python=sys.executable, address=str(address), name=name)


def _job_of_a_fork(address: str) -> dict[str, Any]:
    """Listen for ever; return in a fork for every client, with what it asks for."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(100)
    print("listening", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        link, _ = listening.accept()
        if os.fork() == 0:
            break
        link.close()
    # This process waits for the next and tells the client how it ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    listening.close()
    _, streams, _, _ = socket.recv_fds(link, 1, 3)
    job: dict[str, Any] = json.loads(b"".join(iter(lambda: link.recv(65536), b"")))
    worker = os.fork()
    if worker:
        for stream in (*streams, 0, 1, 2):
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        link.sendall(str(code if code >= 0 else 128 - code).encode())
        os._exit(0)
    link.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    return job


def _run(job: dict[str, Any]) -> None:
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    name, arguments = job["name"], job["arguments"]
    sys.argv = [name, *arguments]
    from dba_cli import shipped

    if Path(os.environ["CONFIGS_OF_THE_TEST"]).is_dir():
        shipped.FOLDER = Path(os.environ["CONFIGS_OF_THE_TEST"])
    if name == "dba":
        from dba_cli.cli import main

        main()
    elif arguments[0] == "-m":
        sys.path.insert(0, "")
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.path.insert(0, "")
        exec(arguments[1], {"__name__": "__main__"})
    else:
        sys.path.insert(0, str(Path(arguments[0]).parent.absolute()))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def _exit_code(job: dict[str, Any]) -> int:
    try:
        _run(job)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _import_everything() -> None:
    import dba_cli

    for module in pkgutil.walk_packages(dba_cli.__path__, "dba_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("torch._dynamo")  # the first step of an optimizer would


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    _import_everything()
    code = _exit_code(_job_of_a_fork(sys.argv[1]))
    threading._shutdown()  # workers of --jobs end here; the line below would wait for them
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the interpreter down would last longer than most of these programs
