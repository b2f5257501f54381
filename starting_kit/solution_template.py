"""One line on what this solution does.

1. The steps, one by one.

Source: who, where. Reported: the score, and on which board.

Copy this file, change it, and score it:

    cp starting_kit/solution_template.py my_solution.py
    python evaluation/score.py --solution my_solution.py --models 64
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 2,
    learning_rate: float = 0.01,
) -> None:
    """Change `net` in place, or return another network.

    Args:
        net: the original model, trained on retain and forget.
        retain_loader: what it is to remember.
        forget_loader: what it is to forget.
        val_loader: what it has never seen; for stopping early, not for training.
        epochs: everything after the star is a hyper-parameter, for `--set epochs=3`.
        learning_rate: of SGD.
    """
    # No seeds here: every call is seeded by the runner, and calls must differ from each other.
    device = next(net.parameters()).device  # the competition's loaders give batches on the CPU, also where the network is not
    optimiser = torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9)
    net.train()
    for _ in range(epochs):
        for images, labels in retain_loader:
            optimiser.zero_grad()
            F.cross_entropy(net(images.to(device)), labels.to(device)).backward()
            optimiser.step()
    net.eval()
