"""Ctrl-C between steps."""

import signal
import threading

import pytest

from dba_cli.experiments._resume import ctrl_c_between_steps


def test_the_first_waits_and_the_second_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    heard_at_the_end = pytest.raises(KeyboardInterrupt)  # after the last step nobody asks any more
    with heard_at_the_end, ctrl_c_between_steps() as check:
        check()
        signal.raise_signal(signal.SIGINT)  # nothing happens yet
        for again in (check, lambda: signal.raise_signal(signal.SIGINT)):
            with pytest.raises(KeyboardInterrupt):
                again()
    assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler


def test_somebody_elses_handler_stays() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with ctrl_c_between_steps() as check:
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_threads_leave_signals_alone() -> None:
    found = []

    def work() -> None:
        with ctrl_c_between_steps() as check:
            check()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
