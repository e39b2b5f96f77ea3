"""Find out within seconds whether a mirror can be reached at all."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Sequence
from urllib.error import URLError
from urllib.parse import urlsplit

PROBE_LIMIT_S = 4.0
"""Seconds for all mirrors together, however they hang."""


class DownloadError(Exception):
    """A download that failed: why, in one line, without what to do about it."""


def reachable(mirrors: Sequence[str], filename: str, limit_s: float = PROBE_LIMIT_S) -> list[str]:
    """Return the mirrors that answer a request for ``filename``, in the given order.

    All are asked at once, and the wait ends with the first in that order that answers: those after it are
    in the result only if they have answered by then. urllib makes the requests, as it makes torchvision's,
    so that proxies and certificates are the same. Each has a daemon thread, because a name look-up that
    hangs obeys no timeout.

    Raises:
        DownloadError: no mirror answered within ``limit_s`` seconds; gives each one's reason.
    """
    deadline = time.monotonic() + limit_s
    failures: dict[str, str | None] = {}

    def ask(mirror: str) -> None:
        request = urllib.request.Request(mirror + filename, headers={"User-Agent": "pytorch/vision"})
        try:
            with urllib.request.urlopen(request, timeout=limit_s):
                failures[mirror] = None
        except Exception as error:  # whatever it is, this mirror is of no use
            failures[mirror] = one_line(error)

    threads = [threading.Thread(target=ask, args=(mirror,), daemon=True) for mirror in mirrors]
    for thread in threads:
        thread.start()
    for mirror, thread in zip(mirrors, threads, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        if failures.get(mirror, "no answer") is None:
            break
    answers = dict(failures)
    found = [mirror for mirror in mirrors if mirror in answers and answers[mirror] is None]
    if not found:
        silence = f"no answer within {limit_s:g} s"
        reasons = [f"{host(mirror)}: {answers.get(mirror, silence)}" for mirror in mirrors]
        raise DownloadError(f"no mirror can be reached ({'; '.join(reasons)})")
    return found


def host(url: str) -> str:
    """Return the host of ``url``, which is what a person needs of a mirror's address."""
    return urlsplit(url).netloc


def one_line(error: BaseException) -> str:
    """Return an error's text on one line, or its type where it has none."""
    if type(error) is URLError:  # a mere wrapper, unlike HTTPError
        error = error.reason if isinstance(error.reason, BaseException) else error
    return " ".join(str(error).split()) or type(error).__name__
