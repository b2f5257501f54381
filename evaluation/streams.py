"""Standard streams that are closed, or whose reader goes away: what is written to them is lost, and nothing else."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

STREAMS = {"stdout": 1, "stderr": 2}  # with their descriptors


@contextmanager
def lossy_streams() -> Iterator[None]:
    """Let standard output and error lose what nobody can read: the command works on, and has the exit code of its work."""
    before = {name: getattr(sys, name) for name in STREAMS}
    lossy = {name: _Lossy(stream or _opened(STREAMS[name])) for name, stream in before.items()}
    vars(sys).update(lossy)
    try:
        yield
    finally:
        for stream in lossy.values():
            stream.flush()  # what is left in its buffer, before the interpreter trips over it
        vars(sys).update(before)


def _opened(descriptor: int) -> TextIO:
    """A stream to nowhere in the place of a closed one, which the next file that is opened would take; workers inherit it."""
    _lead_nowhere(descriptor)
    os.set_inheritable(descriptor, True)
    return open(descriptor, "w", encoding="utf-8", closefd=False)


def _lead_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


class _Lossy:
    """A text stream that goes nowhere once its reader is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BrokenPipeError:
            _lead_nowhere(self._stream.fileno())  # what its buffer still holds goes there, too
