"""Take a network out of what PyTorch wraps around it: the checkpoint of a wrapper has other names than the network's."""

from torch import nn
from torch.optim.swa_utils import AveragedModel

WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)


def unwrapped(net: nn.Module) -> nn.Module:
    """The network inside `nn.DataParallel`, `torch.compile` or `AveragedModel`, however often wrapped; parts of it likewise.

    It has the same weights, and computes the same.

    >>> list(unwrapped(nn.DataParallel(nn.Linear(2, 2))).state_dict())
    ['weight', 'bias']
    """
    compiled = "_orig_mod"  # where `torch.compile` keeps the network; the class is private, and takes seconds to import
    while isinstance(net, WRAPPERS) or compiled in dict(net.named_children()):
        net = net.module if isinstance(net, WRAPPERS) else getattr(net, compiled)
    for name, part in net.named_children():
        if (inside := unwrapped(part)) is not part:
            setattr(net, name, inside)
    return net
