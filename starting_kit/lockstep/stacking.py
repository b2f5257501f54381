"""K networks as one: what a small network spends on overhead is spent once for K of them.

A network of K members looks like one of them: the same class, the same layers under the same names, each weight the members'
weights one after another along its first axis. It is given K·B examples, the members' batches one after another, and gives
K·B logits. A loss that is a mean over those K·B gives every member the gradient that the mean over its own B would, so that an
ordinary training loop trains K networks, and an ordinary `unlearning` unlearns K networks, without knowing it. Member by member
they compute what they would alone; only rounding differs.

Inside, the members lie side by side in the channels: convolutions become grouped convolutions, batch-norm works on K·C channels
(so every member has its own statistics), linear layers become batched matrix products. `stack` refuses a network with anything
else in it, by name; `Mapped` takes any that `torch.func.vmap` can map.
"""

import copy
import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from starting_kit.lockstep.stacked_layers import WIDEN
from starting_kit.lockstep.structure import difference, structure
from starting_kit.networks import Normalise


class NotStackableError(TypeError):
    """A network cannot be stacked; the message names the layer."""


# What treats every channel alike, and so every member.
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Softplus, nn.Tanh)
POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d)
LAYERS = {*WIDEN, *ACTIVATIONS, *POOLING, Normalise, nn.Identity, nn.Flatten}
FUNCTIONS = {
    *(operator.add, operator.iadd, operator.sub, operator.mul, operator.truediv, operator.neg, torch.add, torch.mul),
    *(torch.relu, F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.hardswish, torch.sigmoid, F.softplus, torch.tanh),
    *(F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, torch.flatten),
}
METHODS = {"add", "add_", "relu", "relu_", "sigmoid", "tanh", "flatten"}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or super().is_leaf_module(m, module_qualified_name)


def check_stackable(network: nn.Module) -> None:
    """Look at every operation of a network's forward pass.

    Raises:
        NotStackableError: one of them may mix channels, or cannot be seen.
    """
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # whatever the network's own code raises when it is given a symbol
        raise NotStackableError(f"the forward pass of {type(network).__name__} cannot be traced ({error})") from error
    layers = dict(network.named_modules())
    for node in graph.nodes:
        if reason := _refusal(node, layers):
            raise NotStackableError(f"{reason} cannot be computed for several networks at once")
    if len(list(network.parameters())) != len(list(network.named_parameters(remove_duplicate=False))):
        raise NotStackableError(f"weights that layers of {type(network).__name__} share cannot be stacked")


def _refusal(node: fx.Node, layers: dict[str, nn.Module]) -> str | None:
    """What is wrong with an operation, or None."""
    target: Any = node.target
    if node.op == "get_attr":
        return f"the tensor {target!r}, which is no layer's,"
    if node.op == "call_module":
        layer = layers[target]
        flattens_all = not isinstance(layer, nn.Flatten) or (layer.start_dim, layer.end_dim) == (1, -1)
        return None if type(layer) in LAYERS and flattens_all else f"layer {target!r} ({type(layer).__name__})"
    if node.op not in ("call_function", "call_method"):
        return None
    known = target in (FUNCTIONS if node.op == "call_function" else METHODS)
    if known and (target is torch.flatten or target == "flatten"):
        known = (node.args[1:] == (1,) and not node.kwargs) or (len(node.args) == 1 and node.kwargs == {"start_dim": 1})
    return None if known else f"the operation {getattr(target, '__name__', target)!r}"


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, factor: int) -> Tensor:
        ctx.factor = factor
        return logits.view_as(logits)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def _scale_gradient(logits: Tensor, factor: int) -> Tensor:
    scaled: Tensor = _ScaleGradient.apply(logits, factor)
    return scaled


def _into_channels(network: nn.Module, arguments: tuple[Tensor], members: int) -> Tensor:
    """Before the first layer: images [K·B, C, H, W], member after member, to [B, K·C, H, W]."""
    (images,) = arguments
    if len(images) % members:
        raise ValueError(f"{len(images)} examples are not a multiple of the {members} models that run in lockstep")
    by_member = images.view(members, -1, *images.shape[1:])
    return by_member.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def _out_of_channels(network: nn.Module, arguments: tuple[Tensor], outputs: Tensor, members: int) -> Tensor:
    """After the last layer: outputs [B, K·classes] to [K·B, classes]."""
    by_member = outputs.view(len(outputs), members, -1).transpose(0, 1)
    # A mean over K·B examples has a gradient K times too small for each member's own mean over B.
    return _scale_gradient(by_member.flatten(0, 1), members)


def stack(members: Sequence[nn.Module]) -> nn.Module:
    """K networks of one architecture as one network of the same class (see the module's docstring).

    Args:
        members: the networks; their weights are copied.

    Returns:
        A network with the attributes `members`, K, and `structure`, as it is now; in the mode of the first member.

    Raises:
        NotStackableError: a layer or an operation that cannot be stacked, by name.
    """
    check_stackable(members[0])
    stacked, count = copy.deepcopy(members[0]), len(members)
    for layer in stacked.modules():
        if type(layer) in WIDEN:
            WIDEN[type(layer)](layer, count)
    states = [_tensors(member) for member in members]
    for prefix, layer in stacked.named_modules():
        for tensors in (layer._parameters, layer._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and tensor.dim():  # a number, like num_batches_tracked, is the same for all members
                    parts = [state[f"{prefix}.{name}" if prefix else name].detach() for state in states]
                    joined = torch.cat(parts)
                    tensors[name] = nn.Parameter(joined, tensor.requires_grad) if tensors is layer._parameters else joined
    stacked.register_forward_pre_hook(partial(_into_channels, members=count))
    stacked.register_forward_hook(partial(_out_of_channels, members=count))
    stacked.members = count  # type: ignore[assignment]  # a number, not a layer
    stacked.structure = structure(stacked)  # type: ignore[assignment]
    # Grouped convolutions are about twice as fast on a CPU in this memory format.
    return stacked.to(memory_format=torch.channels_last)


class Mapped(nn.Module):
    """K networks of one architecture as one, by `torch.func.vmap` over their stacked weights and buffers.

    Slower on a CPU than `stack`, but for any network without randomness (dropout) and without control flow that depends on
    data.

    Args:
        members: the networks; their weights are copied.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = len(members)
        self._template = [copy.deepcopy(members[0]).to("meta")]  # in a list: its weights are not weights of this network
        weights, buffers = stack_module_state(list(members))
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(weight.detach()))
        for name, buffer in buffers.items():
            self.register_buffer(name.replace(".", "/"), buffer)
        self.structure = structure(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [K·B, classes] of images [K·B, channels, height, width], member after member."""
        template = self._template[0].train(self.training)

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
            logits: Tensor = functional_call(template, (weights, buffers), (images,))
            return logits

        weights: dict[str, Tensor] = {name.replace("/", "."): weight for name, weight in self.named_parameters()}
        buffers = {name.replace("/", "."): buffer for name, buffer in self.named_buffers()}
        logits = vmap(one)(weights, buffers, images.view(self.members, -1, *images.shape[1:]))
        return _scale_gradient(logits.flatten(0, 1), self.members)


def unstack(network: nn.Module, members: Sequence[nn.Module]) -> None:
    """Copy the weights and buffers of a network of K members into K ordinary networks.

    Args:
        network: from `stack` or `Mapped`, or a copy of one.
        members: ordinary networks of the same architecture.

    Raises:
        ValueError: the network has other weights than its members, or something else of it was changed since it was stacked,
            which they would not get.
    """
    made = getattr(network, "structure", None)
    if made is None:
        raise ValueError("it is another network than the one that was stacked")
    if change := difference(made, structure(network)):
        raise ValueError(f"{change}, which lockstep does not carry over")
    state = {name.replace("/", "."): tensor for name, tensor in _tensors(network).items()}
    with torch.no_grad():
        for k, member in enumerate(members):
            own = _tensors(member)
            if own.keys() != state.keys() or any(
                t.numel() * len(members) != state[n].numel() for n, t in own.items() if t.dim()
            ):
                raise ValueError("the network's weights are not those of its members")
            for name, tensor in own.items():
                shared = state[name].dim() == 0
                tensor.copy_(state[name] if shared else state[name].contiguous().view(len(members), *tensor.shape)[k])


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers by name, those included that `state_dict` leaves out."""
    return dict([*network.named_parameters(), *network.named_buffers()])
