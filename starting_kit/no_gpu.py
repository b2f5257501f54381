"""What code for a GPU asks of it, answered on a machine that has none."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch


class Event:
    """Stands for `torch.cuda.Event`: what it marks has happened already."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.time = time.perf_counter()

    def record(self, stream: Any = None) -> None:
        """Take the time."""
        self.time = time.perf_counter()

    def elapsed_time(self, end_event: "Event") -> float:
        """Milliseconds until another event."""
        return (end_event.time - self.time) * 1000

    def query(self) -> bool:
        """Whether it has happened."""
        return True

    def wait(self, stream: Any = None) -> None:
        """Go on at once."""

    synchronize = wait


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *arguments, **options: answer


STAND_INS: dict[str, Any] = {
    "Event": Event,
    "get_device_name": _always("no GPU"),
    "memory_summary": _always(""),
    "get_device_capability": _always((0, 0)),
    "mem_get_info": _always((0, 0)),
    **dict.fromkeys(("current_device", "memory_allocated", "memory_reserved"), _always(0)),
    **dict.fromkeys(("max_memory_allocated", "max_memory_reserved"), _always(0)),
    **dict.fromkeys(("synchronize", "set_device", "empty_cache", "ipc_collect"), _always(None)),
    **dict.fromkeys(("reset_peak_memory_stats", "reset_max_memory_allocated", "reset_accumulated_memory_stats"), _always(None)),
}


@contextmanager
def cuda_answers() -> Iterator[None]:
    """Without a GPU, have the functions of `torch.cuda` that wait for it or ask how it is do nothing."""
    if torch.cuda.is_available():
        yield
        return
    with mock.patch.multiple(torch.cuda, **STAND_INS):
        yield
