"""What a network is besides the values of its weights and buffers: its layers, their attributes, their hooks.

Lockstep gives the members their weights and buffers back, and nothing else. So whatever else a solution changes has to be
noticed: on a network that comes back alone by `proof`, on one that holds several by `stacking.unstack`.

Left out is what no output and no other number depends on: the mode (a network is put into eval mode before it is measured),
`requires_grad`, hooks on weights, and hooks that have been removed again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LEFT_OUT = ("training", "_is_full_backward_hook", "_parameters", "_buffers", "_modules")  # of a layer's attributes
SIMPLE = (
    *(int, float, complex, str, bytes, type(None), type, FunctionType, BuiltinFunctionType, ModuleType),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format),
)


@dataclass(frozen=True)
class Layer:
    """One layer; every field can be compared by `==`.

    Attributes:
        kind: its class.
        forward: the function of that class, which code can replace as well.
        layers: the names of the layers in it, in their order.
        tensors: its weights and buffers by name: the shape, and the name in the network under which the same tensor comes
            first, which tells weights that layers share.
        hooks: by the kind of hook.
        attributes: by name.
    """

    kind: type[nn.Module]
    forward: Callable[..., Any] | None
    layers: tuple[str, ...]
    tensors: Mapping[str, Any]
    hooks: Mapping[str, Any]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Structure:
    """A network's layers by name; that of the network itself is empty."""

    layers: Mapping[str, Layer]

    def __deepcopy__(self, memo: object) -> "Structure":
        return self  # a solution copies its network often


def structure(network: nn.Module) -> Structure:
    """The structure of a network as it is now; later changes of the network do not change it."""
    first_names: dict[int, str] = {}
    layers = {}
    for path, layer in network.named_modules(remove_duplicate=False):
        tensors = {}
        for name, tensor in (*layer._parameters.items(), *layer._buffers.items()):
            if tensor is not None:
                tensors[name] = tuple(tensor.shape), first_names.setdefault(id(tensor), f"{path}.{name}")
        rest = {name: value for name, value in vars(layer).items() if name not in LEFT_OUT}
        layers[path] = Layer(
            type(layer),
            getattr(type(layer), "forward", None),
            tuple(layer._modules.keys()),
            tensors,
            {name: [_comparable(hook) for hook in rest.pop(name).values()] for name in list(rest) if name.endswith("_hooks")},
            {name: _comparable(value) for name, value in rest.items() if not isinstance(value, Structure)},
        )
    return Structure(layers)


def difference(before: Structure, after: Structure) -> str | None:
    """The first difference between two structures, for a sentence about what was changed; None if there is none."""
    return next(_differences(before.layers, after.layers), None)


def _differences(before: Mapping[str, Layer], after: Mapping[str, Layer]) -> Iterator[str]:
    """Whole layers first, because what else differs follows from them."""
    for path, old in before.items():
        if path not in after:
            yield f"layer {path!r} ({old.kind.__name__} is gone)"
        elif old.kind is not after[path].kind:
            yield f"{_named(path)} ({old.kind.__name__} became {after[path].kind.__name__})"
    yield from (f"layer {path!r} ({new.kind.__name__} is new)" for path, new in after.items() if path not in before)
    for path, old in before.items():
        yield from (f"{_named(path)} ({old.kind.__name__}'s {what})" for what in _differences_within(old, after[path]))


def _differences_within(old: Layer, new: Layer) -> Iterator[str]:
    if old.forward is not new.forward:
        yield "forward, for the whole class"
    if old.layers != new.layers:
        yield "order of layers"
    for name in _changed(old.tensors, new.tensors):
        if name not in old.tensors or name not in new.tensors:
            yield f"{name} is {'new' if name in new.tensors else 'gone'}"
        else:
            yield f"{name} has another shape, or is shared with other layers"
    yield from (kind.strip("_").replace("_", " ") for kind in _changed(old.hooks, new.hooks))
    yield from _changed(old.attributes, new.attributes)


def _named(path: str) -> str:
    return f"layer {path!r}" if path else "the network"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Names that only one side has, or with another value."""
    return (name for name in {**old, **new} if name not in old or name not in new or old[name] != new[name])


def _comparable(value: object, seen: set[int] | None = None) -> object:
    """A value as one that `==` compares by what it holds, as a copy of it would.

    Of tensors and arrays that are no weights or buffers, only type and shape count, of layers that are no layers of the
    network, only the type: a network that computes with such cannot be stacked.
    """
    seen = set() if seen is None else seen
    if isinstance(value, SIMPLE):
        return value
    if id(value) in seen:
        return type(value)
    seen.add(id(value))
    match value:
        case Tensor() | np.ndarray():
            return type(value), tuple(value.shape)
        case nn.Module():
            return type(value)
        case partial():
            return _comparable([value.func, *value.args, value.keywords], seen)
        case MethodType():
            return value.__func__
        case list() | tuple():
            return [_comparable(element, seen) for element in value]
        case dict():
            return {name if isinstance(name, SIMPLE) else type(name): _comparable(held, seen) for name, held in value.items()}
        case set() | frozenset():
            return {element if isinstance(element, SIMPLE) else type(element) for element in value}
    return type(value), _comparable(getattr(value, "__dict__", None), seen)
