"""Whether a solution finds its way on a GPU: network there, batches on the CPU, as the competition's loaders give them."""

from dataclasses import dataclass
from unittest import mock

import torch
from torch import nn

from starting_kit import loaders, runner
from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import SolutionError
from starting_kit.generators import random_state_restored
from starting_kit.kaggle.pretended_gpu import DeviceMismatchError, OutOfOperationsError, is_possible, pretended_gpu
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import Task


@dataclass(frozen=True)
class Trial:
    """How a call went.

    Attributes:
        mismatch: the error of tensors on different devices, with its line; empty if there was none.
        ended: the error for which the rest was not tried; empty if there was none.
    """

    mismatch: str = ""
    ended: str = ""


def call_on_gpu(solution: Solution, net: nn.Module, task: Task, data: Data, batches: BatchFormat, move_batches: bool) -> Trial:
    """Call a solution on a pretended GPU, and say how it went; the random state is restored.

    Args:
        solution: what to run, with which hyper-parameters.
        net: the original model, on the CPU; may be changed.
        task: gives the loaders' batch size.
        data: of the task.
        batches: what the loaders yield.
        move_batches: whether the loaders bring their batches to the GPU.
    """
    if not is_possible():
        return Trial(ended=f"PyTorch {torch.__version__} cannot pretend to have one, newer versions can")
    lie = loaders.moved if move_batches else lambda batch, device: batch
    try:
        with random_state_restored(), pretended_gpu(), mock.patch.object(loaders, "moved", lie):
            runner.call(solution, net, task, data, batches, "cuda")
    except OutOfOperationsError:
        return Trial()
    except SolutionError as error:
        return Trial(mismatch=str(error)) if _is_mismatch(error) else Trial(ended=str(error))
    return Trial()


def _is_mismatch(error: BaseException | None) -> bool:
    """Whether an error is, or comes from, one of devices."""
    while error is not None:
        if isinstance(error, DeviceMismatchError):
            return True
        error = error.__cause__ or error.__context__
    return False
