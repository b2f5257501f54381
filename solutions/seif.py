"""3rd place: noise on the first convolution, then fine-tune with class weights, with a little more noise before the end (CFW).

1. Perturb: normal noise with a standard deviation of 0.6 on the weights of the first convolution.
2. Fine-tune: 4 epochs on the retain set,
   a. in which the loss of a batch is its mean cross-entropy times its mean class weight, 1 for examples of the majority
      class, the retain set's most frequent one, and 0.05 for all others;
   b. with a learning rate of 0.0007 that falls as a cosine from epoch to epoch.
3. Perturb once more before the last of these epochs, with a standard deviation of 0.005.

So 2a weighs no example against another: it is a learning rate that depends on how many examples of a batch are of the majority
class, 0.0007 times 0.05 + 0.95 · their share, as the competition's paper says itself.

Values: published, in that paper (https://arxiv.org/abs/2406.09073), on the organisers' slides and as constants of the public
port (`munl/unlearning/kgltop3.py` of xcadet/deepunlearn), which also has the form of 2a. The port puts "balanced" weights,
N / (C·N_c), in the place of 1 and 0.05. Here these are kept. Where C classes have equal shares, the majority class is whichever
has an example more (of equals the first), and the rate is on average 0.05 + 0.95 / C of that given, 0.145 for ten: it still
varies from batch to batch with the number of examples of that class.

Departures: the published description says noise on the convolutions. The port looks for them among the network's direct
children only, and in a ResNet-18 finds one, the first; 0.6 on all of them would destroy the network. So here it is the first,
in every network, unless the caller has frozen it.
"""

METADATA = {
    "family": "winner",
    "source": (
        "Seif Eddine Achour, NeurIPS 2023 Machine Unlearning challenge, "
        "https://www.kaggle.com/competitions/neurips-2023-machine-unlearning, by the organisers' slides and a public "
        'port; called CFW in "Deep Unlearn", https://arxiv.org/abs/2410.01276'
    ),
    "reported": "0.0885 (private leaderboard, 3rd place)",
    "values": "published",
    "needs": "the retain set",
}

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from solutions.parts.class_weights import class_counts
from solutions.parts.layers import stem
from solutions.parts.members import by_member
from solutions.parts.training import sgd, train_epoch
from solutions.parts.weights import add_noise

SEARCH_SPACE = {
    "noise": (0.03, 3.0, "log"),
    "late_noise": (1e-3, 0.3, "log"),
    "epochs": (2, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    noise: float = 0.6,
    late_noise: float = 0.005,
    minority_weight: float = 0.05,
    epochs: int = 4,
    learning_rate: float = 7e-4,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    majority = class_counts(net, retain_loader).argmax(dim=1, keepdim=True)
    loss = partial(rated_cross_entropy, net=net, majority=majority, minority_weight=minority_weight)
    to_perturb = [weight for weight in [stem(net).weight] if weight.requires_grad]
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = CosineAnnealingLR(optimiser, T_max=max(epochs, 1))
    net.train()
    add_noise(to_perturb, noise)
    for epoch in range(1, epochs + 1):
        if epoch == epochs:
            add_noise(to_perturb, late_noise)
        train_epoch(net, retain_loader, optimiser, loss)
        schedule.step()
    net.eval()


def rated_cross_entropy(logits: Tensor, labels: Tensor, net: nn.Module, majority: Tensor, minority_weight: float) -> Tensor:
    """The mean cross-entropy of a batch times its mean class weight, both of each model's own; then the mean over models.

    Args:
        logits: [batch, classes].
        labels: [batch].
        net: the network that gave the logits.
        majority: the class with weight 1, [models, 1].
        minority_weight: of all other classes.
    """
    losses = by_member(F.cross_entropy(logits, labels, reduction="none"), net)
    shares = (by_member(labels, net) == majority).to(losses).mean(dim=1)
    return ((minority_weight + (1 - minority_weight) * shares) * losses.mean(dim=1)).mean()
