"""Ends what takes too long."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class TimeUpError(BaseException):
    """Not an Exception: a solution that catches those must not catch it."""


@contextmanager
def time_limit(seconds: float | None, may_end: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """End what takes longer, if seconds are given and the system has timers (which only the main thread hears).

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
        if may_end():
            raise TimeUpError(f"it was stopped after {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
