"""SalUn: relabel the forget set at random and let only the weights that matter most to it learn that.

1. Salience: the gradient of the cross-entropy, summed over the batches of the forget set, in eval mode; the 50 % of all
   weights, taken together, where it is largest in absolute value are salient.
2. Relabel and train, 10 epochs of SGD at a constant learning rate, each of
   a. a pass over the forget set, in which every example has a random label that is not its own, drawn anew each time;
   b. a pass over the retain set with its own labels.
3. Only salient weights change: the others are put back after each step, since weight decay and momentum would move them even
   if their gradients were masked.

Statistics of batch-norm layers are not weights and follow the training.

Values: all published, for CIFAR-10 with 10 % to be forgotten, in `README.md`, `generate_mask.py`, `arg_parser.py` and
`unlearn/RL.py` of the authors' `Classification/`. The last puts back weights and momentum; earlier it only masked gradients.

Departures: labels are other than the example's own, as in the paper; the code for CIFAR-10 draws among all classes. For
CIFAR-100 the code shuffles both sets together; here it is always as for CIFAR-10.
"""

METADATA = {
    "family": "classic",
    "source": "Fan et al. 2023, https://arxiv.org/abs/2310.12508; code OPTML-Group/Unlearn-Saliency",
    "reported": "none",
    "values": "published",
    "needs": "the retain set and the forget set",
}

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.gradients import summed_gradients
from solutions.parts.training import confine, sgd, train_epoch
from solutions.parts.weights import smallest, trainable
from solutions.random_labels import wrong_labels

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
    optimiser = sgd(net, learning_rate, weight_decay)
    confine(optimiser, masks)
    net.train()
    for _ in range(epochs):
        relabelled_epoch(net, forget_loader, optimiser)
        train_epoch(net, retain_loader, optimiser)
    net.eval()


def most_salient(net: nn.Module, loader: DataLoader[Any], fraction: float) -> dict[nn.Parameter, Tensor]:
    """Where the gradients of the batches' mean losses, summed over a loader, are largest in absolute value.

    Args:
        net: is left in eval mode.
        loader: of the examples.
        fraction: of all trainable weights together, in [0, 1].

    Returns:
        For each trainable weight a boolean tensor of its shape.
    """
    net.eval()
    masks = smallest([-gradient.abs() for gradient in summed_gradients(net, loader)], fraction, net)
    return dict(zip(trainable(net), masks, strict=True))


def relabelled_epoch(net: nn.Module, loader: DataLoader[Any], optimiser: Optimizer) -> None:
    """One epoch in which every example has a random label that is not its own."""
    for images, labels in batches(loader, net):
        optimiser.zero_grad()
        logits = net(images)
        F.cross_entropy(logits, wrong_labels(labels, logits.shape[1])).backward()
        optimiser.step()
