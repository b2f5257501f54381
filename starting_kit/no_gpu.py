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


def _stand_in(answer: Any) -> Callable[..., Any]:
    return lambda *arguments, **options: answer


ANSWERS: dict[str, Any] = {
    "get_device_name": "no GPU",
    "get_device_capability": (0, 0),
    "memory_summary": "",
    "mem_get_info": (0, 0),
    **dict.fromkeys(
        ("current_device", "memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved"), 0
    ),
    **dict.fromkeys(("synchronize", "set_device", "empty_cache", "ipc_collect", "reset_peak_memory_stats")),
    **dict.fromkeys(("reset_max_memory_allocated", "reset_accumulated_memory_stats")),
}
# Each is a function of its own: `torch.compile` has a table with what it knows of each.
STAND_INS: dict[str, Any] = {"Event": Event, **{name: _stand_in(answer) for name, answer in ANSWERS.items()}}


@contextmanager
def cuda_answers() -> Iterator[None]:
    """Without a GPU, have the functions of `torch.cuda` that wait for it or ask how it is do nothing."""
    if torch.cuda.is_available():
        yield
        return
    with mock.patch.multiple(torch.cuda, **STAND_INS):
        yield
