"""One call of a solution, with everything that can go wrong in it."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from starting_kit.contract import Batches, Solution, describe_error, load
from starting_kit.errors import RunError
from starting_kit.loaders import loaders
from starting_kit.tasks import Data, Task


def start_afresh(seed: int) -> None:
    """Seed every global generator, and undo what an earlier call may have left behind."""
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def call(solution: Solution, net: nn.Module, task: Task, data: Data, batches: Batches) -> nn.Module:
    """Run a solution once, freshly loaded so that nothing is carried over from an earlier call.

    Args:
        solution: what to run, with which hyper-parameters.
        net: the original model; may be changed.
        task: gives the loaders' batch size.
        data: of the task.
        batches: what the loaders yield.

    Returns:
        The unlearned network, in eval mode, in float32.

    Raises:
        RunError: the solution raised (which line), returned something that is no network, or left weights that are not
            finite.
    """
    function = load(solution.path).unlearning
    try:
        returned = function(net, *loaders(task, data, batches), **solution.overrides)
    except (Exception, SystemExit) as error:
        raise RunError(describe_error(error, solution.path)) from error
    if returned is not None and not isinstance(returned, nn.Module):
        raise RunError(f"unlearning returned {type(returned).__name__}, it must return a network or nothing")
    network = (net if returned is None else returned).float().eval()
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"unlearning left weights that are NaN or infinite in {name!r}")
    return network


def find_batches(solution: Solution, net: nn.Module, task: Task, data: Data) -> Batches:
    """The batches that a solution reads: the kind it declares, else the first with which a dry call succeeds.

    The dry calls, tuple then dict, get a copy of the network and two batches per loader; the random state is restored.

    Raises:
        RunError: the solution raises with both.
    """
    if solution.batches is not None:
        return solution.batches
    two = 2 * task.loader_batch_size
    parts = {split: getattr(data, split)[:two] for split in ("retain", "forget", "validation", "test")}
    small = Data(data.images, data.labels, **parts)
    complaints: list[str] = []
    kinds: tuple[Batches, ...] = ("tuple", "dict")
    for batches in kinds:
        try:
            with _random_state_restored():
                call(solution, copy.deepcopy(net), task, small, batches)
            return batches
        except RunError as error:
            complaints.append(f"with {batches} batches: {error}")
    raise RunError(f"{solution.name} fails in a dry call on two batches, {'; '.join(complaints)}.")


@contextmanager
def _random_state_restored() -> Iterator[None]:
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
