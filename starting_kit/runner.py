"""Call a solution for one model, or in lockstep for several, or call its trainer, and say what went wrong."""

import copy
import dataclasses
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import DataWithheldError, SolutionError
from starting_kit.loaders import Loaders, loaders
from starting_kit.loading import describe_error, load
from starting_kit.lockstep.random_streams import drawing_by_member, stack_loaders
from starting_kit.lockstep.stacking import stack, unstack
from starting_kit.networks import hint
from starting_kit.tasks.data import SPLITS, Data, Ids
from starting_kit.tasks.task import Task


def start_afresh(seed: int, dtype: torch.dtype = torch.float32) -> None:
    """Seed every global generator, and undo what an earlier call may have left behind."""
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def call(
    solution: Solution,
    net: nn.Module,
    task: Task,
    data: Data,
    batches: BatchFormat,
    device: str = "cpu",
    data_free: bool = False,
) -> nn.Module:
    """Run a solution once, freshly loaded so that nothing is carried over from an earlier call.

    Args:
        solution: what to run, with which hyper-parameters.
        net: the original model; may be changed.
        task: gives the loaders' batch size.
        data: of the task.
        batches: what the loaders yield.
        device: where network and batches lie.
        data_free: give it loaders that hold no data.

    Returns:
        The unlearned network, in eval mode, on the device, with weights of the type they had.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: the solution raised (which line), returned something that is not a network, or left weights that are
            not finite.
    """
    dtype = next(net.parameters()).dtype
    given = loaders(task, data, batches, device, data_free)
    network = _unlearned(solution, net.to(device), given).to(device, dtype).eval()
    _require_finite(network)
    return network


def train(solution: Solution, task: Task, data: Data, examples: Ids, seed: int) -> nn.Module:
    """Train a network with a solution's own trainer, freshly loaded.

    Args:
        solution: brings the trainer (`Solution.trains`), and has its hyper-parameters.
        task: what the network is for.
        data: of the task.
        examples: ids of the examples to train on.
        seed: of this network; the global generators start from it, too.

    Returns:
        The network, in eval mode.

    Raises:
        SolutionError: the trainer raised (which line), or returned something that is not a network, or a network whose weights
            are not finite.
    """
    start_afresh(seed)
    function = load(solution.path).train
    try:
        network = function(task, seed, data, examples, **solution.overrides)
    except (Exception, SystemExit) as error:
        raise SolutionError(describe_error(error, solution.path)) from error
    finally:
        start_afresh(seed=0)
    if not isinstance(network, nn.Module):
        raise SolutionError(f"train returned {type(network).__name__}, it must return a network")
    _require_finite(network.eval(), "train")
    return network


def call_in_lockstep(
    solution: Solution,
    nets: Sequence[nn.Module],
    task: Task,
    data: Sequence[Data],
    batches: BatchFormat,
    seeds: Sequence[int],
    data_free: bool = False,
) -> list[nn.Module]:
    """Run a solution once for several models, the members of one network, which it takes for a model.

    A solution that lets the members influence each other, or draws random numbers in a way that `random_streams` does not
    know, gives other models than when it is called for each alone: `starting_kit.lockstep.proof` finds out.

    Args:
        solution: what to run, with which hyper-parameters.
        nets: the original model of each member; they become the unlearned ones.
        task: gives the loaders' batch size.
        data: of each member, all of the same size; may be the same.
        batches: what the loaders yield.
        seeds: of the members; each draws what it would draw alone if the global generators were seeded with its seed.
        data_free: give it loaders that hold no data.

    Returns:
        `nets`, in eval mode.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        NotStackableError: the network's architecture cannot be stacked.
        SolutionError: the solution raised (which line), returned something that is not a network of these members, or left
            weights that are not finite.
    """
    network = _unlearned_in_lockstep(solution, nets, task, data, batches, seeds, data_free)
    _take_apart(network, nets)
    for net in nets:
        _require_finite(net.eval())
    return list(nets)


def _unlearned_in_lockstep(
    solution: Solution,
    nets: Sequence[nn.Module],
    task: Task,
    data: Sequence[Data],
    batches: BatchFormat,
    seeds: Sequence[int],
    data_free: bool,
) -> nn.Module:
    stacked = stack(nets)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    first = loaders(task, data[0], batches, data_free=data_free)
    of_members = [first if own is data[0] else loaders(task, own, batches, data_free=data_free) for own in data]
    with drawing_by_member(generators):
        return _unlearned(solution, stacked, stack_loaders(of_members, generators))


def _take_apart(network: nn.Module, nets: Sequence[nn.Module]) -> None:
    if getattr(network, "members", None) != len(nets):
        raise SolutionError("unlearning returned a new network instead of one made from the network it got")
    try:
        unstack(network, nets)
    except ValueError as error:
        raise SolutionError(f"unlearning changed the network's architecture: {error}") from error


def draw(
    solution: Solution,
    net: nn.Module,
    task: Task,
    data: Data,
    batches: BatchFormat,
    device: str = "cpu",
    data_free: bool = False,
) -> Tensor:
    """Have a solution draw the images that it makes up, by its function `pictures`.

    Args:
        solution: what to run, with which hyper-parameters.
        net: the original model; may be changed.
        task: gives the loaders' batch size.
        data: of the task.
        batches: what the loaders yield.
        device: where network and batches lie.
        data_free: give it loaders that hold no data.

    Returns:
        Images [rows, columns, channels, height, width].

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: the solution raised (which line), or returned something else.
    """
    drawn = _returned(solution, "pictures", net.to(device), loaders(task, data, batches, device, data_free))
    if not isinstance(drawn, Tensor) or drawn.dim() != 5 or not drawn.numel():
        shape = tuple(drawn.shape) if isinstance(drawn, Tensor) else type(drawn).__name__
        raise SolutionError(f"pictures returned {shape}, it must return a tensor [rows, columns, channels, height, width]")
    return drawn.detach().cpu()


def _unlearned(solution: Solution, net: nn.Module, given: Loaders) -> nn.Module:
    """The network that comes back."""
    returned = _returned(solution, "unlearning", net, given)
    if returned is not None and not isinstance(returned, nn.Module):
        raise SolutionError(f"unlearning returned {type(returned).__name__}, it must return a network or nothing")
    return net if returned is None else returned


def _returned(solution: Solution, function: str, net: nn.Module, given: Loaders) -> Any:
    """What a function of a solution returns."""
    called = getattr(load(solution.path), function)
    if solution.trains:
        _renew_classes(net)
    try:
        return called(net, *given, **solution.overrides)
    except DataWithheldError as error:
        raise DataWithheldError(f"{solution.name} {error}; score it without --data-free.") from error
    except (Exception, SystemExit) as error:
        raise SolutionError(describe_error(error, solution.path) + hint(error)) from error


def _renew_classes(net: nn.Module) -> None:
    """Give a network that comes from an earlier load of its solution the classes of this one, for `isinstance` to know it."""
    for part in net.modules():
        renewed: Any = sys.modules.get(type(part).__module__)
        for name in type(part).__qualname__.split("."):
            renewed = getattr(renewed, name, None)
        if isinstance(renewed, type):
            part.__class__ = renewed


def _require_finite(network: nn.Module, function: str = "unlearning") -> None:
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise SolutionError(f"{function} left weights that are NaN or infinite in {name!r}")


def two_batches(task: Task, data: Data) -> Data:
    """The first examples of each split, enough for two batches of a solution's loaders."""
    splits = {split: getattr(data, split)[: 2 * task.loader_batch_size] for split in SPLITS}
    return dataclasses.replace(data, **splits)


def find_batches(
    solution: Solution, net: nn.Module, task: Task, data: Data, device: str = "cpu", data_free: bool = False
) -> BatchFormat:
    """The format of batches that a solution reads: the one it declares, else the first with which a dry call succeeds.

    The dry calls, first with tuples and then with dicts, get a copy of the network and two batches per loader. The random
    state is restored.

    Args:
        solution: what to run, with which hyper-parameters.
        net: the original model; stays as it is.
        task: gives the loaders' batch size.
        data: of the task.
        device: where network and batches lie.
        data_free: give it loaders that hold no data.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raises with both.
    """
    if solution.batches is not None:
        return solution.batches
    small = two_batches(task, data)
    complaints: list[str] = []
    formats: tuple[BatchFormat, ...] = ("tuple", "dict")
    for batches in formats:
        try:
            with random_state_restored():
                call(solution, copy.deepcopy(net), task, small, batches, device, data_free)
            return batches
        except SolutionError as error:
            complaints.append(f"with {batches} batches: {error}")
    raise SolutionError(f"{solution.name} fails in a dry call on two batches, {'; '.join(complaints)}.")


@contextmanager
def random_state_restored() -> Iterator[None]:
    """Restore the state of every global random generator in the end."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
