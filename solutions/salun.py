"""SalUn: relabel the forget set at random and let only the weights that matter most to it learn that.

1. Salience: the gradient of the cross-entropy, summed over the forget set; the 50 % of all weights, taken together, where it is
   largest in absolute value are salient.
2. Relabel: every forget example gets a random label that is not its own, as in `random_labels`.
3. Train: cross-entropy on the retain set and the relabelled forget set together, 10 epochs of SGD; only salient weights change.

The other weights are put back after each step. Published code masks their gradients only, and then weight decay and momentum
move them. Statistics of batch-norm layers are not weights and follow the training. Our choices, where the source is silent: the
gradient is taken in eval mode, and the learning rate is constant.
"""

METADATA = {
    "family": "classic",
    "source": "Fan et al. 2023, https://arxiv.org/abs/2310.12508",
    "reported": "none",
    "needs": "the retain set and the forget set, example by example (`.dataset`)",
}

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.gradients import summed_gradients
from solutions.parts.training import confine, sgd, train_epoch
from solutions.parts.weights import smallest, trainable
from solutions.random_labels import random_labels_for, together

SEARCH_SPACE = {
    "fraction": (0.05, 0.95),
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    fraction: float = 0.5,
    epochs: int = 10,
    learning_rate: float = 0.013,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    masks = most_salient(net, forget_loader, fraction)
    both = together(retain_loader, forget_loader, random_labels_for(net, forget_loader))
    optimiser = sgd(net, learning_rate, weight_decay)
    confine(optimiser, masks)
    net.train()
    for _ in range(epochs):
        train_epoch(net, both, optimiser)
    net.eval()


def most_salient(net: nn.Module, loader: DataLoader[Any], fraction: float) -> dict[nn.Parameter, Tensor]:
    """Where the loss's gradient, summed over a loader's examples, is largest in absolute value.

    Args:
        net: is left in eval mode.
        loader: of the examples.
        fraction: of all trainable weights together, in [0, 1].

    Returns:
        For each trainable weight a boolean tensor of its shape.
    """
    net.eval()
    # The sum over examples, not batches' means: the last batch is smaller.
    gradients = summed_gradients(net, loader, partial(F.cross_entropy, reduction="sum"))
    masks = smallest([-gradient.abs() for gradient in gradients], fraction, net)
    return dict(zip(trainable(net), masks, strict=True))
