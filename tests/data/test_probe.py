import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from dba_cli.data._probe import DownloadError, reachable

FIRST, SECOND = "https://first.example/mnist/", "http://second.example/mnist/"


@pytest.fixture
def hang() -> Iterator[Callable[[], Any]]:
    """Block as a dropped packet does, until the test is over."""
    over = threading.Event()
    yield over.wait
    over.set()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Callable[[], Any]]], list[str]]:
    """Let each host do what it is told, and return the list that addresses asked for will be in."""

    def install(behaviour: dict[str, Callable[[], Any]]) -> list[str]:
        asked: list[str] = []

        def urlopen(request: urllib.request.Request, timeout: float) -> Any:
            asked.append(request.full_url)
            behaviour[request.host]()
            return nullcontext()

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        return asked

    return install


def fail(error: Exception) -> Callable[[], Any]:
    def behave() -> None:
        raise error

    return behave


def work() -> None:
    return None


def test_the_first_that_answers_is_enough(answer: Any, hang: Any) -> None:
    asked = answer({"first.example": work, "second.example": hang})
    start = time.monotonic()
    assert reachable([FIRST, SECOND], "labels.gz", limit_s=30) == [FIRST]
    assert time.monotonic() - start < 10
    assert set(asked) <= {FIRST + "labels.gz", SECOND + "labels.gz"}


def test_a_mirror_that_fails_is_left_out(answer: Any) -> None:
    gone = HTTPError(FIRST, 404, "Not Found", None, None)  # type: ignore[arg-type]
    answer({"first.example": fail(gone), "second.example": work})
    assert reachable([FIRST, SECOND], "labels.gz") == [SECOND]
    gone.close()


def test_a_black_hole_fails_over_within_the_limit(answer: Any, hang: Any) -> None:
    answer({"first.example": hang, "second.example": hang})
    start = time.monotonic()
    with pytest.raises(
        DownloadError, match=r"first\.example: no answer within 0\.2 s; second\.example: no answer"
    ):
        reachable([FIRST, SECOND], "labels.gz", limit_s=0.2)
    assert time.monotonic() - start < 5


def test_a_black_hole_before_a_good_mirror_costs_the_limit_only(answer: Any, hang: Any) -> None:
    answer({"first.example": hang, "second.example": work})
    assert reachable([FIRST, SECOND], "labels.gz", limit_s=0.5) == [SECOND]


def test_reasons_are_one_line_without_wrapping(answer: Any) -> None:
    answer(
        {
            "first.example": fail(URLError(OSError("Name or service\nnot known"))),
            "second.example": fail(TimeoutError()),
        }
    )
    with pytest.raises(DownloadError) as caught:
        reachable([FIRST, SECOND], "labels.gz")
    assert str(caught.value) == (
        "no mirror can be reached (first.example: Name or service not known; second.example: TimeoutError)"
    )
