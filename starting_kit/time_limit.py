"""Ends a call of a solution that takes too long, and says how long calls took."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class TimeUpError(BaseException):
    """Not an Exception: a solution that catches those must not catch it."""


_timed: list[tuple[Callable[[], float], list[float]]] = []  # clocks and what `calls_timed` gave, while it lasts


def endable(function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
    """Call a function, which a time limit around it may end; whatever is done before and after the call is finished."""
    starts = [(now, now(), seconds) for now, seconds in _timed]
    try:
        return function(*arguments, **options)
    finally:
        for now, start, seconds in starts:
            seconds.append(now() - start)


@contextmanager
def calls_timed(now: Callable[[], float]) -> Iterator[list[float]]:
    """Seconds of each `endable` call while this lasts, by a clock, without what is done before and after it."""
    seconds: list[float] = []
    _timed.append((now, seconds))
    try:
        yield seconds
    finally:
        _timed.pop()


@contextmanager
def time_limit(seconds: float | None, may_end: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """End an `endable` call after a time, if one is given and the system has timers (which only the main thread hears).

    Args:
        seconds: after which it ends; after as many again, if it goes on.
        may_end: asked whenever they are over.

    Raises:
        TimeUpError: it was ended.
    """
    if seconds is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(signal_number: int, frame: FrameType | None) -> None:
        if _is_endable(frame) and may_end():
            raise TimeUpError(f"it was stopped after {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_endable(frame: FrameType | None) -> bool:
    """Whether the call is under way, and in it no import, of which half a module would be left to all later calls."""
    while frame is not None and frame.f_code is not endable.__code__:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return False
        frame = frame.f_back
    return frame is not None
