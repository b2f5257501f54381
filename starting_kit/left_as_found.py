"""What a solution changes for its whole process, put back after its call."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch

CUDNN_FLAGS = ("enabled", "benchmark", "deterministic")
DEVICES = ("cpu", "cuda")


class Settings(NamedTuple):
    """PyTorch's settings for a whole process that decide what numbers come out.

    Attributes:
        dtype: of new tensors.
        gradients: whether they are recorded.
        threads, precision, determinism, anomalies: as PyTorch's functions of these names give them.
        autocast: by device.
        cudnn: by flag.
    """

    dtype: torch.dtype
    gradients: bool
    threads: int
    precision: str
    determinism: int
    anomalies: bool
    autocast: list[bool]
    cudnn: list[bool]

    @classmethod
    def read(cls) -> "Settings":
        """As they are now."""
        return cls(
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.get_float32_matmul_precision(),
            torch.get_deterministic_debug_mode(),
            torch.is_anomaly_enabled(),
            [torch.is_autocast_enabled(device) for device in DEVICES],
            [getattr(torch.backends.cudnn, flag) for flag in CUDNN_FLAGS],
        )

    def write(self) -> None:
        """Make them what they were."""
        torch.set_default_dtype(self.dtype)
        torch.set_grad_enabled(self.gradients)
        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.precision)
        torch.set_deterministic_debug_mode(self.determinism)
        torch.autograd.set_detect_anomaly(self.anomalies)
        torch.set_flush_denormal(False)
        for device, on in zip(DEVICES, self.autocast, strict=True):
            torch.set_autocast_enabled(device, on)
        for flag, on in zip(CUDNN_FLAGS, self.cudnn, strict=True):
            setattr(torch.backends.cudnn, flag, on)


def default_device() -> torch.device:
    """Where tensors are made; `torch.get_default_device` of older versions fails once the default was taken back."""
    return torch.empty(0).device


@contextmanager
def left_as_found() -> Iterator[None]:
    """Put back in the end what code can change for its whole process: settings, variables, handlers, filters, streams.

    What it does to modules, and threads that it leaves, stay.
    """
    settings, device = Settings.read(), default_device()
    recursion, errors = sys.getrecursionlimit(), np.geterr()
    path = sys.path[:]
    streams, handlers, level = (sys.stdin, sys.stdout, sys.stderr), logging.root.handlers[:], logging.root.level
    with _signal_handlers_restored(), warnings.catch_warnings(), mock.patch.dict(os.environ):
        try:
            yield
        finally:
            if default_device() != device:
                torch.set_default_device(None if device.type == "cpu" else device)
            settings.write()
            sys.path[:] = path
            sys.setrecursionlimit(recursion)
            np.seterr(**errors)
            sys.stdin, sys.stdout, sys.stderr = streams
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """Restore the handlers of all signals, of which only the main thread may change any; and no timer of the code's rings."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    has_timers = hasattr(signal, "setitimer")
    is_timed = has_timers and signal.getitimer(signal.ITIMER_REAL)[0] > 0
    try:
        yield
    finally:
        if has_timers and not is_timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            if signal.getsignal(number) != handler and handler is not None:
                signal.signal(number, handler)
