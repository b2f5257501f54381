"""K networks as one: what a small network spends on overhead is spent once for K of them.

A stacked network holds K members side by side in the channels: convolutions become grouped convolutions, batch-norm
works on K·C channels (so that each member has its own statistics), the linear head becomes K heads. Its `state_dict` has
the names of one member's, and each of its tensors is the K members' tensors stacked. Member by member it computes, and
trains, exactly what the members would alone; only rounding differs.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from starting_kit.networks import Normalise

# Layers that treat every channel alike, and so every member.
CHANNELWISE = (Normalise, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Identity)


class StackedLinear(nn.Module):
    """K linear layers on [examples, K·features], giving [examples, K·outputs]."""

    def __init__(self, layer: nn.Linear, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().repeat(members, 1, 1))
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
        self.bias = nn.Parameter(bias.repeat(members, 1), requires_grad=layer.bias is not None)

    def forward(self, features: Tensor) -> Tensor:
        members = len(self.weight)
        by_member = features.view(len(features), members, -1).transpose(0, 1)
        outputs = torch.baddbmm(self.bias[:, None], by_member, self.weight.transpose(1, 2))
        return outputs.transpose(0, 1).flatten(1)


def _stack_convolution(layer: nn.Conv2d, members: int) -> nn.Conv2d:
    return nn.Conv2d(
        layer.in_channels * members,
        layer.out_channels * members,
        layer.kernel_size,  # type: ignore[arg-type]  # torch types it as a tuple of any length
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        dilation=layer.dilation,  # type: ignore[arg-type]
        groups=layer.groups * members,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
    )


def _stack_batch_norm(layer: nn.BatchNorm2d, members: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(layer.num_features * members, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)


STACKERS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Conv2d: _stack_convolution,
    nn.BatchNorm2d: _stack_batch_norm,
    nn.Linear: StackedLinear,
}


class Stacked(nn.Module):
    """K networks of one architecture as one network.

    Args:
        members: `nn.Sequential` networks of one architecture; their weights are copied.

    Raises:
        TypeError: a layer that cannot be stacked, by name.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self._template = [copy.deepcopy(members[0])]  # in a list: its weights are not weights of this network
        self.members = len(members)
        with torch.random.fork_rng(devices=[]):  # new layers draw initial weights, which are replaced below
            layers = [self._stack_layer(name, layer) for name, layer in members[0].named_children()]
        self.network = nn.Sequential(*layers)
        states = [member.state_dict() for member in members]
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                if name.endswith("num_batches_tracked"):
                    tensor.copy_(states[0][name])
                else:
                    tensor.copy_(torch.stack([state[name] for state in states]).view_as(tensor))
        # Grouped convolutions are about twice as fast on a CPU in this memory format.
        self.network.to(memory_format=torch.channels_last)

    def _stack_layer(self, name: str, layer: nn.Module) -> nn.Module:
        if isinstance(layer, CHANNELWISE):
            return copy.deepcopy(layer)
        if type(layer) not in STACKERS:
            raise TypeError(f"layer {name!r} ({type(layer).__name__}) cannot be trained for several networks at once")
        return STACKERS[type(layer)](layer, self.members)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [K, batch, classes] of images [K, batch, channels, height, width], member by member."""
        side_by_side = images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        return self.network(side_by_side).view(images.shape[1], self.members, -1).transpose(0, 1)

    def unstack(self) -> list[nn.Module]:
        """The K members as ordinary networks, with copies of their present weights and statistics."""
        stacked = self.network.state_dict()
        members = []
        for k in range(self.members):
            member = copy.deepcopy(self._template[0]).train(self.training)
            state = member.state_dict()
            for name, tensor in state.items():
                if name.endswith("num_batches_tracked"):
                    tensor.copy_(stacked[name])
                else:
                    tensor.copy_(stacked[name].contiguous().view(self.members, *tensor.shape)[k])
            members.append(member)
        return members
