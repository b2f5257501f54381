"""Models packed as raw numbers where a solution has made them, and unpacked where none runs (`made` says what is sent)."""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluation.populations.made import Parcel
from evaluation.populations.model_outputs import logits_of, require_function_of_image
from evaluation.populations.population import Population
from evaluation.populations.weights import pickled
from starting_kit.errors import SolutionError
from starting_kit.lockstep.structure import Structure, difference, structure
from starting_kit.networks import build
from starting_kit.tasks.data import SPLITS, Data
from starting_kit.tasks.task import Task

Logits = dict[str, NDArray[np.float32]]


def pack(population: Population, model: int, net: nn.Module, data: Data) -> Parcel:
    """A model of a population, in the worker that has made it.

    Args:
        population: of the model.
        model: its number.
        net: in eval mode.
        data: of the task.

    Raises:
        SolutionError: the network cannot be evaluated, or not each image by itself.
    """
    if population.trainer is None and is_of_task(population.task, net):
        state = [tensor.detach().cpu() for tensor in net.state_dict().values()]
        return Parcel(
            b"".join(tensor.contiguous().numpy().tobytes() for tensor in state), tuple(map(_has_channels_last, state))
        )
    task = population.task
    parts = {split: logits_of(net, data.images[getattr(data, split)], task.classes, population.device) for split in SPLITS}
    require_function_of_image(net, data, task.classes, population.device)
    whole = pickled(net) if population.keeps_whole(model) else b""
    return Parcel(logits={split: logits.tobytes() for split, logits in parts.items()}, whole=whole)


def network(task: Task, parcel: Parcel) -> nn.Module:
    """The task's network with weights that were sent, in eval mode.

    Raises:
        SolutionError: they are not the weights of this network, or not finite.
    """
    net = build(task, seed=0).eval()
    state, start = {}, 0
    for (name, known), channels_last in zip(net.state_dict().items(), parcel.layouts, strict=False):
        part = parcel.weights[start : start + known.nbytes]
        if len(part) != known.nbytes:
            break
        state[name] = _tensor(part, known, channels_last)
        start += known.nbytes
    if len(state) != len(net.state_dict()) or start != len(parcel.weights):
        raise SolutionError(f"its worker gave {len(parcel.weights)} bytes that are not the weights of {task.network}")
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise SolutionError("its worker gave weights that are NaN or infinite")
    net.load_state_dict(state, assign=True)
    return net


def logits(task: Task, parcel: Parcel, data: Data) -> Logits:
    """The logits that were sent, by split.

    Raises:
        SolutionError: they are not those of the task's examples, or not finite.
    """
    found = {}
    for split in SPLITS:
        shape = len(getattr(data, split)), task.classes
        content = parcel.logits.get(split, b"")
        if len(content) != 4 * math.prod(shape):
            raise SolutionError(f"its worker gave {len(content)} bytes that are not logits {shape}")
        found[split] = np.frombuffer(content, dtype=np.float32).reshape(shape)
        if not np.isfinite(found[split]).all():
            raise SolutionError("its worker gave logits that are NaN or infinite")
    return found


def is_of_task(task: Task, net: nn.Module) -> bool:
    """Whether a network is the task's but for its weights."""
    return difference(_structure(task), structure(net)) is None


@lru_cache(maxsize=1)
def _structure(task: Task) -> Structure:
    return structure(build(task, seed=0))


def _has_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def _tensor(content: bytes, known: Tensor, channels_last: bool) -> Tensor:
    """A tensor of the type and shape of a known one."""
    flat = torch.frombuffer(bytearray(content), dtype=known.dtype) if known.nbytes else torch.empty(0, dtype=known.dtype)
    tensor = flat.reshape(known.shape)
    return tensor.contiguous(memory_format=torch.channels_last) if channels_last else tensor
