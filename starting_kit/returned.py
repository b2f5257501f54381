"""What a solution gives back: a network of which weights and outputs can be used, or a sentence that says why not."""

import itertools
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from starting_kit.errors import SolutionError, first_line
from starting_kit.lockstep.structure import Structure, difference, structure
from starting_kit.unwrapping import unwrapped


class SolutionWarning(UserWarning):
    """What a solution's author should know of what became of a call."""


def network_of(returned: Any, given: nn.Module) -> nn.Module:
    """The network that a call of `unlearning` gives, taken out of what is wrapped around it, which is said in a warning.

    Args:
        returned: by the call; nothing means the network that it was given.
        given: that network.

    Raises:
        SolutionError: it is no network.
    """
    if returned is not None and not isinstance(returned, nn.Module):
        raise SolutionError(f"unlearning returned {type(returned).__name__}, it must return a network or nothing")
    network = given if returned is None else returned
    if (inside := unwrapped(network)) is not network:
        wrapper = type(network).__name__
        warnings.warn(f"unlearning returned its network in {wrapper}; what is scored is the network inside", SolutionWarning, 2)
    return inside


def brought_back(network: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    """A network in eval mode, on a device and with weights of a type.

    Raises:
        SolutionError: it cannot be brought there.
    """
    if any(tensor.is_meta for tensor in itertools.chain(network.parameters(), network.buffers())):
        raise SolutionError("unlearning left a network on the meta device, where it has no weights; make it on a real one")
    try:
        return network.to(device, dtype).eval()
    except Exception as error:  # a solution's network may be of any class
        raise SolutionError(f"the network that unlearning left cannot be brought to {device}, {_said(error)}") from error


def warn_of_changes(before: Structure, network: nn.Module) -> None:
    """Warn of what a call has changed besides weights and buffers: it is scored, but the competition's checkpoints lose it."""
    if change := difference(before, structure(network)):
        sentence = "which is scored as it is; the competition's checkpoints hold weights only, and would lose it"
        warnings.warn(f"unlearning changed {change}, {sentence}", SolutionWarning, 2)


def require_finite(network: nn.Module, function: str = "unlearning") -> None:
    """Check the weights of a network; parts that hold theirs packed, as quantised ones do, are checked by their outputs.

    Raises:
        SolutionError: one is NaN or infinite, or cannot be read.
    """
    try:
        state = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
        bad = [name for name, tensor in state.items() if not torch.isfinite(_plain(tensor)).all()]
    except Exception as error:
        raise SolutionError(f"the weights of the network that {function} left cannot be read, {_said(error)}") from error
    if bad:
        raise SolutionError(f"{function} left weights that are NaN or infinite in {bad[0]!r}")


def _plain(tensor: Tensor) -> Tensor:
    return tensor.dequantize() if tensor.is_quantized else tensor.to_dense() if tensor.layout != torch.strided else tensor


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
