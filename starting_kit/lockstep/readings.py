"""The numbers that a solution reads off tensors, like `loss.item()`: noted, and falsified to see whether they matter.

Of several models that run as one, such a number is about all of them together. One that is only printed does no harm; one by
which something is decided, like the accuracy that chooses an epoch, decides for all what each might have decided otherwise.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

METHODS = ("item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "equal", "allclose")
READERS = {*(getattr(torch.Tensor, name) for name in METHODS), torch.equal, torch.allclose}
# Reads of the modules that are not the solution's own, like an optimiser's of its step count, decide nothing that is about
# the models, but for a schedule that looks at losses.
NOT_THE_SOLUTION = ("torch.", "starting_kit.")
DECIDES_ALL_THE_SAME = "torch.optim.lr_scheduler"
HANDING_OVER = ("__torch_function__", "handle_torch_function", "__array__")  # functions between the reader and the mode


@contextmanager
def readings(replace: Callable[[int, Any], Any] | None = None) -> Iterator[list[Any]]:
    """Note what the solution reads while this lasts.

    Args:
        replace: gives, for the number of a reading and its value, what the solution gets instead.

    Yields:
        The true values, lists in place of arrays, as they are read.
    """
    with _Readings(replace) as mode:
        yield mode.noted


class _Readings(TorchFunctionMode):
    """Sees what is read off tensors, by whatever name the reading function is called (argument of `readings`)."""

    def __init__(self, replace: Callable[[int, Any], Any] | None) -> None:
        super().__init__()
        self.replace, self.noted = replace, list[Any]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        value = func(*args, **(kwargs or {}))
        if func not in READERS or not _is_of_the_solution(sys._getframe(1)):
            return value
        self.noted.append(value.tolist() if isinstance(value, np.ndarray) else value)
        return value if self.replace is None else self.replace(len(self.noted) - 1, value)


def _is_of_the_solution(frame: FrameType | None) -> bool:
    """Whether a call that has come to a mode is the solution's, and not torch's own or the kit's."""
    while frame is not None and frame.f_code.co_name in HANDING_OVER:
        frame = frame.f_back
    reader = "" if frame is None else frame.f_globals.get("__name__", "")
    return not reader.startswith(NOT_THE_SOLUTION) or reader == DECIDES_ALL_THE_SAME


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
