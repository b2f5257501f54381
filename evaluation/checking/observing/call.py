"""One whole call, what it gives, and what it leaves of the network and the data."""

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluation.checking import observed
from evaluation.checking.observing import hooks
from evaluation.checking.observing.calls import Caller, given, state
from evaluation.checking.subject import Subject
from evaluation.populations.model_outputs import dependence
from starting_kit.errors import SolutionError
from starting_kit.lockstep.structure import Structure, difference, structure
from starting_kit.returned import brought_back
from starting_kit.tasks.data import Data
from starting_kit.unwrapping import unwrapped

States = dict[str, Tensor]


def observe(subject: Subject) -> observed.Call:
    """Call it with the seed of the first model.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: it raised.
    """
    caller = Caller(subject)
    net = caller.network()
    dtype = next(net.parameters()).dtype
    before, on_net, held = state(net), hooks.hooks(net), _fingerprints(caller.data)
    trained = _trained(net)
    with caller.surroundings():
        function = caller.loaded(net)
        layers = _without_hooks(net)  # a network of the solution's own trainer has the classes of this load now
        start = time.perf_counter()
        returned = caller.call(function, net, caller.seeds[0])
        seconds = time.perf_counter() - start
    network = unwrapped(given(returned, net))
    after = state(network)
    fault, by_batch, by_call = _outputs(network, caller.data, subject.task.classes, dtype)
    return observed.Call(
        seconds=seconds,
        returned=_returned(returned, net),
        wrapped="" if network is given(returned, net) else type(returned).__name__,
        moved=_moved(before, after),
        distance=_distance(before, after),
        not_finite=_not_finite(after),
        checkpoint=next(_other_shapes(before, after), ""),
        structure=difference(layers, _without_hooks(network)) or "",
        types=next(_other_types(before, after), ""),
        hooks=hooks.left(on_net, hooks.hooks(network)),
        requires_grad=[name for name, is_so in _trained(network).items() if is_so != trained.get(name, True)],
        fault_of_outputs=fault,
        by_batch=by_batch,
        by_call=by_call,
        data=[name for name, digest in _fingerprints(caller.data).items() if digest != held[name]],
        digest=digest_of(after),
    )


def digest_of(states: States) -> str:
    """What tells weights and buffers from any others."""
    digest = hashlib.sha256()
    for name, tensor in sorted(states.items()):
        values = torch.empty(0) if tensor.is_meta else _plain(tensor).contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def of_other_seed(subject: Subject) -> str:
    """The digest of the weights that it gives with the seed of the second model.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: it raised.
    """
    caller = Caller(subject)
    net = caller.network()
    return digest_of(state(unwrapped(given(caller.call_once(net, caller.seeds[1]), net))))


def _returned(returned: Any, net: nn.Module) -> str:
    if returned is None:
        return "nothing"
    if returned is net:
        return "the network it was given"
    return "another network" if isinstance(returned, nn.Module) else type(returned).__name__


def _plain(tensor: Tensor) -> Tensor:
    plain = tensor.dequantize() if tensor.is_quantized else tensor.to_dense() if tensor.layout != torch.strided else tensor
    return plain.cpu()


def _pairs(before: States, after: States) -> Iterator[tuple[Tensor, Tensor]]:
    """Numbers that can be compared, in float64."""
    for name, old in before.items():
        new = after.get(name)
        if new is not None and new.shape == old.shape and not new.is_meta and old.is_floating_point():
            yield old.double(), _plain(new).double()


def _moved(before: States, after: States) -> float:
    """Share of the weights that have other values; 1 where there are none to compare."""
    compared = [(int((old != new).sum()), old.numel()) for old, new in _pairs(before, after)]
    return sum(moved for moved, _ in compared) / sum(size for _, size in compared) if compared else 1.0


def _distance(before: States, after: States) -> float:
    pairs = [(float((new - old).square().sum()), float(old.square().sum())) for old, new in _pairs(before, after)]
    squares = np.array(pairs).sum(axis=0) if pairs else np.ones(2)
    distance = float(np.sqrt(squares[0] / max(squares[1], 1e-30)))
    return distance if np.isfinite(distance) else -1.0


def _not_finite(states: States) -> list[str]:
    return [name for name, tensor in states.items() if not tensor.is_meta and not torch.isfinite(_plain(tensor)).all()]


def _trained(net: nn.Module) -> dict[str, bool]:
    return {name: weight.requires_grad for name, weight in net.named_parameters()}


def _other_shapes(before: States, after: States) -> Iterator[str]:
    for name, old in before.items():
        if name not in after:
            yield f"{name} is gone"
        elif after[name].shape != old.shape:
            yield f"{name} has the shape {tuple(after[name].shape)} instead of {tuple(old.shape)}"
    yield from (f"{name} is new" for name in after if name not in before)


def _other_types(before: States, after: States) -> Iterator[str]:
    for name, old in before.items():
        new = after.get(name, old)
        for was, became in ((old.dtype, new.dtype), (old.device, new.device), (old.layout, new.layout)):
            if was != became:
                yield f"{name} is {str(became).removeprefix('torch.')} instead of {str(was).removeprefix('torch.')}"


def _without_hooks(net: nn.Module) -> Structure:
    """Its layers and their attributes; hooks are looked at apart."""
    return Structure({path: dataclasses.replace(layer, hooks={}) for path, layer in structure(net).layers.items()})


def _fingerprints(data: Data) -> dict[str, str]:
    arrays: dict[str, NDArray[Any]] = {"images": data.images, "labels": data.labels}
    return {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in arrays.items()}


def _outputs(net: nn.Module, data: Data, classes: int, dtype: torch.dtype) -> tuple[str, float, float]:
    """Why there are no logits, and how much they hang on the batch, and on chance, relative to their size."""
    try:
        return "", *dependence(brought_back(net, "cpu", dtype), data, classes)
    except SolutionError as error:
        return str(error), 0.0, 0.0
