"""The models that run in lockstep, told apart.

A solution may be run for several models in lockstep, as one network that holds them all: its weights are the models' weights
one after another along their first axis, and so are its batches. Code that takes the models apart goes through `by_member`.
"""

from torch import Tensor, nn


def by_member(outputs: Tensor, net: nn.Module) -> Tensor:
    """A batch of outputs, or a weight, [K·B, ...] as [K, B, ...]: for what concerns the examples or the elements of one model.

    K is the number of models that run in lockstep; 1 for an ordinary network.
    """
    apart: Tensor = outputs.unflatten(0, (getattr(net, "members", 1), -1))
    return apart
