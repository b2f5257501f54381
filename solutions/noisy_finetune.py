"""Noisy fine-tuning (Langevin, uncertified): clipped gradient steps on the retain set, each followed by Gaussian noise.

1. For every batch of the retain set: take the gradient g of the cross-entropy; where its norm over all weights exceeds 1, scale
   it down to 1; step θ ← θ - η(g + λθ) with λ = 1e-6 and a constant learning rate η; no momentum.
2. After each step add σ√(2η)·N(0, 1), σ = 0.03, to every weight.

Langevin unlearning certifies that a model continued in this way is close to a retrained one. That certificate does not hold
here: it assumes that the original was trained by the same noisy descent with clipped gradients, which it was not. The batch's
gradient is clipped; the code clips each example's, its regularisation included, and takes all retain examples in one batch.

Values: clipping, noise and regularisation are those of the code, for logistic regression on features (`main_lmc.py` of
Graph-COM/Langevin_unlearning); epochs and learning rate are those of the `finetune` baseline.
"""

METADATA = {
    "family": "classic",
    "source": 'Chien et al., "Langevin Unlearning", NeurIPS 2024, https://arxiv.org/abs/2401.10371',
    "reported": "none for networks",
    "values": "published; carried over: epochs, learning_rate",
    "needs": "the retain set",
}

from typing import Any

from torch import nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.weights import add_noise, trainable

SEARCH_SPACE = {
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "noise": (1e-3, 1.0, "log"),
    "clip": (0.01, 1.0, "log"),  # gradients of a trained network are shorter than 1
    "weight_decay": (1e-7, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 1,
    learning_rate: float = 1e-3,
    noise: float = 0.03,
    clip: float = 1.0,
    weight_decay: float = 1e-6,
) -> None:
    """Fine-tune `net` in place."""
    optimiser = SGD(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    net.train()
    for _ in range(epochs):
        for images, labels in batches(retain_loader, net):
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            clip_grad_norm_(net.parameters(), clip)
            optimiser.step()
            add_noise(trainable(net), noise * (2 * learning_rate) ** 0.5)
    net.eval()
