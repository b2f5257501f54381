"""What a solution finds when it is loaded and called: what a script of its own would find, and nothing of an earlier call."""

import importlib.util
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch.multiprocessing

from starting_kit.left_as_found import left_as_found
from starting_kit.loading import step_aside
from starting_kit.no_gpu import cuda_answers
from starting_kit.own_folder import own_folder


@contextmanager
def surroundings(path: Path, names: Iterable[str]) -> Iterator[None]:
    """Around the load and the call of a solution: a folder of its own, no command line, and what it changes is put back.

    Args:
        path: of the solution.
        names: of files beside it that it sees in its folder.
    """
    step_aside()  # what is put back in the end is nothing of an earlier solution's
    with ExitStack() as stack:
        stack.enter_context(left_as_found())
        stack.enter_context(own_folder(path, names))
        stack.enter_context(mock.patch.object(sys, "argv", [str(path)]))
        stack.enter_context(mock.patch.object(sys, "dont_write_bytecode", True))
        stack.enter_context(_plain_progress_bars())
        stack.enter_context(cuda_answers())
        stack.enter_context(_forked_workers())
        yield


@contextmanager
def _forked_workers() -> Iterator[None]:
    """Where a system can fork, the workers of a `DataLoader` are forks of this process, whatever started it itself.

    Started by spawn, each imports PyTorch, which takes seconds, and does not know the solution's classes.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        yield
        return
    fork, before = multiprocessing.get_context("fork"), multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    patches: dict[str, Any] = {"get_context": lambda method=None: fork, "set_start_method": lambda method, force=False: None}
    try:
        with mock.patch.multiple(multiprocessing, **patches), mock.patch.multiple(torch.multiprocessing, **patches):
            yield
    finally:
        multiprocessing.set_start_method(before, force=True)


@contextmanager
def _plain_progress_bars() -> Iterator[None]:
    finder = _PlainProgress()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if getattr(sys.modules.get("tqdm.notebook"), "__loader__", None) is finder:
            del sys.modules["tqdm.notebook"]


class _PlainProgress(Loader):
    """Gives `tqdm.notebook` the plain progress bars where ipywidgets, which its own need, are missing."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find that module (called by Python's import system)."""
        missing = name == "tqdm.notebook" and importlib.util.find_spec("ipywidgets") is None
        return ModuleSpec(name, self) if missing else None

    def exec_module(self, module: ModuleType) -> None:
        from tqdm.std import tqdm, trange

        vars(module).update(tqdm=tqdm, tqdm_notebook=tqdm, trange=trange, tnrange=trange)
