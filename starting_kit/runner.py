"""Call a solution for one model, or in lockstep for several, or call its trainer, and say what went wrong."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import DataWithheldError, SolutionError
from starting_kit.generators import seed_all
from starting_kit.loaders import Loaders, loaders
from starting_kit.loading import describe_error, load, loaded_files
from starting_kit.lockstep.random_streams import drawing_by_member, stack_loaders
from starting_kit.lockstep.stacking import stack, unstack
from starting_kit.lockstep.structure import structure
from starting_kit.networks import hint
from starting_kit.returned import brought_back, network_of, require_finite, warn_of_changes
from starting_kit.sources import name_of
from starting_kit.surroundings import surroundings
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import Task
from starting_kit.time_limit import endable


def start_afresh(seed: int, dtype: torch.dtype = torch.float32) -> None:
    """Seed every global generator, and set what models are made with; a solution's settings end with its call."""
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)
    torch.set_num_threads(1)
    seed_all(seed)


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
    given = loaders(solution.given(task), data, batches, device, data_free)
    with surroundings(solution.path, solution.visible):
        function, before = fresh_function(solution, "unlearning", net.to(device)), structure(net)
        returned = returned_by(solution, function, net, given)
    network = brought_back(network_of(returned, net), device, dtype)
    require_finite(network)
    warn_of_changes(before, network)
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
    try:
        with surroundings(solution.path, solution.visible):
            function = load(solution.path).train
            try:
                network = function(task, seed, data, examples, **solution.overrides)
            except (Exception, SystemExit) as error:
                raise SolutionError(describe_error(error, solution.path)) from error
    finally:
        start_afresh(seed=0)
    if not isinstance(network, nn.Module):
        raise SolutionError(f"train returned {type(network).__name__}, it must return a network")
    require_finite(network.eval(), "train")
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
        require_finite(net.eval())
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
    task = solution.given(task)
    first = loaders(task, data[0], batches, data_free=data_free)
    of_members = [first if own is data[0] else loaders(task, own, batches, data_free=data_free) for own in data]
    with surroundings(solution.path, solution.visible):
        function = fresh_function(solution, "unlearning", stacked)  # what it draws when it is loaded is no member's
        with drawing_by_member(generators):
            returned = returned_by(solution, function, stacked, stack_loaders(of_members, generators))
    return network_of(returned, stacked)


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
    given = loaders(solution.given(task), data, batches, device, data_free)
    with surroundings(solution.path, solution.visible):
        drawn = returned_by(solution, fresh_function(solution, "pictures", net.to(device)), net, given)
    if not isinstance(drawn, Tensor) or drawn.dim() != 5 or not drawn.numel():
        shape = tuple(drawn.shape) if isinstance(drawn, Tensor) else type(drawn).__name__
        raise SolutionError(f"pictures returned {shape}, it must return a tensor [rows, columns, channels, height, width]")
    return drawn.detach().cpu()


def fresh_function(solution: Solution, function: str, net: nn.Module) -> Callable[..., Any]:
    """A function of a solution, freshly loaded; to be called within its `surroundings`, as `returned_by` is.

    Args:
        solution: where it is.
        function: its name.
        net: what it will be called with.
    """
    loaded: Callable[..., Any] = getattr(load(solution.path), function)
    if solution.trains:
        _renew_classes(net)
    return loaded


def returned_by(solution: Solution, function: Callable[..., Any], net: nn.Module, given: Loaders) -> Any:
    """What a function of a solution returns.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: it raised (which line), or has imported a module that names no population.
    """
    try:
        returned = endable(function, net, *given, **solution.overrides)
    except DataWithheldError as error:
        raise DataWithheldError(f"{solution.name} {error}; score it without --data-free.") from error
    except (Exception, SystemExit) as error:
        raise SolutionError(describe_error(error, solution.path) + hint(error)) from error
    finally:
        loaded = loaded_files()
    _require_known(solution, loaded)
    return returned


def _require_known(solution: Solution, loaded: Iterable[Path]) -> None:
    """Refuse modules that name no population: after a change of theirs, models made before it would be taken for new ones."""
    for file in loaded:
        name = name_of(file, solution.path.parent)
        if name not in (*solution.sources, *solution.files) and file.stat().st_size:
            raise SolutionError(
                f"{name} is imported only in the call, by a name that is computed there; import it at the top, too"
            )


def _renew_classes(net: nn.Module) -> None:
    """Give a network that comes from an earlier load of its solution the classes of this one, for `isinstance` to know it."""
    for part in net.modules():
        renewed: Any = sys.modules.get(type(part).__module__)
        for name in type(part).__qualname__.split("."):
            renewed = getattr(renewed, name, None)
        if isinstance(renewed, type):
            part.__class__ = renewed
