"""What belongs to a whole process, compared before and after a call: settings, handlers, variables, threads, libraries."""

import builtins
import copy
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional
from torch.utils import data

from starting_kit.left_as_found import Settings, default_device

LIBRARIES = (torch, nn, functional, optim, data, np, np.random, random, time, os, copy, builtins)
CLASSES = (torch.Tensor, torch.Generator)
WORDS = {
    "dtype": "the default type",
    "gradients": "whether gradients are recorded",
    "threads": "the number of threads",
    "precision": "the precision of matrix products",
    "determinism": "whether algorithms are deterministic",
    "anomalies": "the detection of anomalies",
    "autocast": "autocast",
    "cudnn": "the flags of cuDNN",
}
NOT_FOREIGN = {"torch", "torchvision", "numpy", "starting_kit", "evaluation", *sys.stdlib_module_names}

Snapshot = dict[str, Any]


def snapshot() -> Snapshot:
    """What can be compared, by its name in words."""
    settings = {WORDS[name]: value for name, value in Settings.read()._asdict().items()}
    handlers = {f"the handler of {s.name}": signal.getsignal(s) for s in map(signal.Signals, signal.valid_signals() & _named())}
    variables = {f"the environment variable {name}": value for name, value in os.environ.items()}
    timer = signal.getitimer(signal.ITIMER_REAL)[0] > 0 if hasattr(signal, "getitimer") else False
    threads = {f"the thread {thread.name}": thread.ident for thread in threading.enumerate() if thread.is_alive()}
    return {
        **settings,
        "the default device": str(default_device()),
        "the working directory": os.getcwd(),  # noqa: PTH109  # as text
        "the recursion limit": sys.getrecursionlimit(),
        "how NumPy treats errors": str(np.geterr()),
        "standard output": id(sys.stdout),
        "a timer": timer,
        **handlers,
        **variables,
        **threads,
    }


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """What differs, in words."""
    return [what for what in {**before, **after} if before.get(what) != after.get(what)]


def functions() -> dict[str, Any]:
    """Functions of libraries, methods of their classes, and all of Python's own names."""
    return {**_of_python(), **dict(_functions())}


def replaced(before: dict[str, Any]) -> list[str]:
    """Which functions are others than before, and not the library's own; and what is new among Python's own names."""
    new = [name for name in _of_python() if name not in before and not name.startswith("builtins._")]
    return new + [name for name, value in _functions() if name in before and before[name] is not value and _is_foreign(value)]


def _of_python() -> dict[str, Any]:
    return {f"builtins.{name}": value for name, value in vars(builtins).items()}


def _functions() -> Iterator[tuple[str, Any]]:
    for library in LIBRARIES:
        for name, value in list(vars(library).items()):
            if callable(value):
                yield f"{library.__name__}.{name}", value
    classes = {value for library in (nn, optim, data) for value in vars(library).values() if isinstance(value, type)}
    for kind in (*CLASSES, *sorted(classes, key=lambda kind: kind.__name__)):
        for name, value in list(vars(kind).items()):
            if callable(value):
                yield f"{kind.__name__}.{name}", value


def _is_foreign(value: Any) -> bool:
    while hasattr(value, "__wrapped__") and not isinstance(value, FunctionType):
        value = value.__wrapped__
    module = value.__globals__.get("__name__") if isinstance(value, FunctionType) else getattr(value, "__module__", None)
    return str(module or type(value).__module__).partition(".")[0] not in NOT_FOREIGN


def _named() -> set[int]:
    """Numbers of signals that have a name."""
    return {int(number) for number in signal.Signals}
