"""The numbers that a solution reads off tensors and clocks: noted, and falsified to see whether they matter.

Of several models that run as one, a number like `loss.item()` is about all of them together, and so is the time that they take.
One that is only printed does no harm; one by which something is decided, like the accuracy that chooses an epoch, decides for
all what each might have decided otherwise.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

METHODS = (
    *("item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "is_nonzero"),
    *("equal", "allclose"),
)
READERS = {*(getattr(torch.Tensor, name) for name in METHODS), torch.equal, torch.allclose, torch.is_nonzero}
# Reads of the modules that are not the solution's own, like an optimiser's of its step count, decide nothing that is about
# the models, but for a schedule that looks at losses, and a scaler that leaves a step out where a gradient overflows.
NOT_THE_SOLUTION = ("torch.", "starting_kit.")
DECIDES_ALL_THE_SAME = ("torch.optim.lr_scheduler", "torch.amp.grad_scaler")
# What this module reads is whether any gradient is infinite: a truth, though it comes as a number.
READS_TRUTHS = "torch.amp.grad_scaler"
CLOCKS = [f"{clock}{unit}" for clock in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")]
HANDING_OVER = ("__torch_function__", "handle_torch_function", "__array__")  # functions between the reader and the mode


@contextmanager
def readings(replace: Callable[[int, Any], Any] | None = None) -> Iterator[list[Any]]:
    """Note what the solution reads while this lasts.

    Args:
        replace: gives, for the number of a reading and its value, what the solution gets instead.

    Yields:
        The true values, lists in place of arrays, as they are read.
    """
    with _Readings(replace) as mode, contextlib.ExitStack() as clocks:
        for name in CLOCKS:
            clocks.enter_context(mock.patch.object(time, name, mode.clock(getattr(time, name))))
        try:
            yield mode.noted
        finally:
            mode.ended = True


class _Readings(TorchFunctionMode):
    """Sees what is read off tensors, by whatever name the reading function is called (argument of `readings`)."""

    def __init__(self, replace: Callable[[int, Any], Any] | None) -> None:
        super().__init__()
        self.replace, self.noted, self.ended, self.thread = replace, list[Any](), False, threading.get_ident()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        value = func(*args, **(kwargs or {}))
        return self.seen(value, sys._getframe(1)) if func in READERS else value

    def clock(self, ordinary: Callable[[], Any]) -> Callable[[], Any]:
        """A function of `time` whose readings are noted; a library that imports it meanwhile keeps it for good."""

        def read() -> Any:
            if self.ended or threading.get_ident() != self.thread:
                return ordinary()
            return self.seen(ordinary(), sys._getframe(1))

        return read

    def seen(self, value: Any, frame: FrameType) -> Any:
        """What the code that has read a value gets for it; noted if it is the solution's."""
        reader = _reader(frame)
        if reader.startswith(NOT_THE_SOLUTION) and reader not in DECIDES_ALL_THE_SAME:
            return value
        read = bool(value) if reader == READS_TRUTHS else value
        self.noted.append(read.tolist() if isinstance(read, np.ndarray) else read)
        return value if self.replace is None else self.replace(len(self.noted) - 1, read)


def _reader(frame: FrameType | None) -> str:
    """The name of the module from which a call has come to a mode."""
    while frame is not None and frame.f_code.co_name in HANDING_OVER:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def falsified(value: Any, factor: Callable[[], float]) -> Any:
    """A wrong value of the same type.

    Args:
        value: a number, a truth, or a list or array of them.
        factor: called for each number, which is multiplied by it (0, infinity and NaN are replaced); a truth becomes its sign.
    """
    if isinstance(value, list):
        return [falsified(element, factor) for element in value]
    if isinstance(value, np.ndarray):
        return np.array(falsified(value.tolist(), factor), value.dtype)
    if isinstance(value, bool):
        return factor() > 0
    return type(value)(factor() * (value if value and np.isfinite(value) else 1))
