"""The weights of single models: stored where a model is to be used again, and read.

Those of a solution's own trainer are more than the weights of a known architecture: they are pickled whole. So only what a run
of one's own has written should be read: unpickling executes what a file says.
"""

import io

import numpy as np
import torch
from torch import nn

from evaluation.populations.population import Population
from starting_kit.errors import RunError
from starting_kit.files import Arrays, read_intact, write_arrays
from starting_kit.loaders import as_numbers
from starting_kit.loading import load as load_solution
from starting_kit.networks import build
from starting_kit.surroundings import surroundings
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import Task

TRIED = 16  # images, on which the task's network with a model's weights has to give what the model gives
TOLERANCE = 1e-3  # of logits, relative and absolute: rounding depends on how weights lie in memory


def store(population: Population, model: int, net: nn.Module, data: Data) -> None:
    """Store the weights of a model, or why they say too little.

    Raises:
        RunError: the file cannot be written.
    """
    if reason := objection(population.task, net, data):
        arrays = {"objection": np.array(reason)}
    else:
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in net.state_dict().items()}
    write_arrays(population.weights_path(model), arrays)


def store_objection(population: Population, model: int) -> None:
    """Store that a model is not the task's network with other weights.

    Raises:
        RunError: the file cannot be written.
    """
    write_arrays(population.weights_path(model), {"objection": np.array(not_of(population.task))})


def load(population: Population, model: int) -> nn.Module:
    """The task's network with the stored weights of a model, or what a solution's own trainer made, in eval mode.

    Raises:
        RunError: the file is gone.
    """
    weights = read_intact(population.weights_path(model))
    if weights is None:
        raise RunError(f"{population.weights_path(model)} is missing or damaged; run the same command to make it again.")
    return network(population, weights)


def network(population: Population, weights: Arrays) -> nn.Module:
    """The network that weights were stored of (see `load`)."""
    if population.trainer is not None:
        with surroundings(population.trainer.path, population.trainer.visible):
            load_solution(population.trainer.path)  # may define the network's classes
        whole: nn.Module = torch.load(io.BytesIO(weights["network"].tobytes()), map_location="cpu", weights_only=False)
        return whole.eval()
    net = build(population.task, seed=0)
    net.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return net.eval()


def objection(task: Task, net: nn.Module, data: Data) -> str | None:
    """Why a network, in eval mode, is not the task's with other weights, in one clause; None if it is.

    A solution may give another architecture, or hooks that weights do not hold: the task's network with the weights is tried.
    """
    twin = build(task, seed=0).eval()
    images = as_numbers(torch.from_numpy(data.images[data.forget[:TRIED]]))
    try:
        device = next(net.parameters()).device
        images = images.to(device)
        twin.to(device).load_state_dict(net.state_dict())
        with torch.inference_mode():
            same = torch.allclose(twin(images), net(images), TOLERANCE, TOLERANCE)
    except Exception:  # a solution's network may raise anything
        same = False
    return None if same else not_of(task)


def not_of(task: Task) -> str:
    """The objection to a network that holds more, or other things, than the task's."""
    return f"it is not {task.network} with other weights"


def pickled(net: nn.Module) -> bytes:
    """A whole network, as `load` reads it where a solution's own trainer made it."""
    buffer = io.BytesIO()
    torch.save(net, buffer)
    return buffer.getvalue()


def store_pickled(population: Population, model: int, network: bytes) -> None:
    """Store a network that is pickled, without a look at it.

    Raises:
        RunError: the file cannot be written.
    """
    write_arrays(population.weights_path(model), {"network": np.frombuffer(network, dtype=np.uint8)})
