"""A person's Ctrl-C counts wherever it comes."""

from __future__ import annotations

import os
import signal
import sys
import time
import weakref
from pathlib import Path

import pytest

from gukbap.interruption import remembering_interrupts


class Garbage:
    pass


def _interrupt(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the signal is heard between two steps of the interpreter
        pass


def test_an_interrupt_that_is_lost_in_a_callback_is_heard_later(capfd: pytest.CaptureFixture[str]) -> None:
    with remembering_interrupts() as check:
        check()
        garbage = Garbage()
        called = weakref.ref(garbage, _interrupt)
        del garbage
        assert called() is None
        with pytest.raises(KeyboardInterrupt):
            check()
    assert capfd.readouterr().err == ""


def test_an_interrupt_that_a_library_drops_is_heard_later() -> None:
    with remembering_interrupts() as check:
        try:
            _interrupt()
        except BaseException as error:
            assert isinstance(error, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            check()


def test_an_interrupt_is_raised_at_once_and_the_usual_handler_comes_back() -> None:
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), remembering_interrupts():
        _interrupt()
        pytest.fail("it went on")
    assert signal.getsignal(signal.SIGINT) is usual


def test_an_interrupt_waits_for_the_end_of_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that drops what is raised while it is imported, as C++ callbacks do."""
    (tmp_path / "dropping_library.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhole = all(True for _ in range(100000))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), remembering_interrupts():
        import dropping_library  # type: ignore[import-not-found]

        assert dropping_library.whole
        for _ in range(200):
            time.sleep(0.01)
        pytest.fail("it went on")
    assert sys.modules.pop("dropping_library").whole
