"""The numbers that a solution reads off tensors, like `loss.item()`: noted, and falsified to see whether they matter.

Of several models that run as one, such a number is about all of them together. One that is only printed does no harm; one by
which something is decided, like the accuracy that chooses an epoch, decides for all what each might have decided otherwise.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

READERS = ("item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "equal", "allclose")
# Reads of the modules that are not the solution's own, like an optimiser's of its step count, decide nothing that is about
# the models, but for a schedule that looks at losses.
NOT_THE_SOLUTION = ("torch.", "starting_kit.")
DECIDES_ALL_THE_SAME = "torch.optim.lr_scheduler"


@contextmanager
def readings(replace: Callable[[int, Any], Any] | None = None) -> Iterator[list[Any]]:
    """Note what the solution reads while this lasts.

    Args:
        replace: gives, for the number of a reading and its value, what the solution gets instead.

    Yields:
        The true values, lists in place of arrays, as they are read.
    """
    noted: list[Any] = []

    def watched(read: Callable[..., Any]) -> Callable[..., Any]:
        def method(tensor: Any, *arguments: Any, **options: Any) -> Any:
            value = read(tensor, *arguments, **options)
            reader = sys._getframe(1).f_globals.get("__name__", "")
            if reader.startswith(NOT_THE_SOLUTION) and reader != DECIDES_ALL_THE_SAME:
                return value
            noted.append(value.tolist() if isinstance(value, np.ndarray) else value)
            return value if replace is None else replace(len(noted) - 1, value)

        return method

    with ExitStack() as replaced:
        for place, names in ((torch.Tensor, READERS), (torch, ("equal", "allclose"))):
            for name in names:
                replaced.enter_context(mock.patch.object(place, name, watched(getattr(place, name))))
        yield noted


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
