"""5th place, one of its two halves: transpose the kernels of all convolutions, then fine-tune on the retain set ("CT").

1. Transpose: swap the two spatial axes of every convolution's kernels. Biases and all other layers stay as they are.
2. Repair: 3 epochs of cross-entropy on the retain set, SGD, the learning rate falling as a cosine from epoch to epoch.

Where all kernels are square, strides and paddings the same along both axes, and a global average ends the convolutions, the
transposed network answers an image as the original answered the transposed image: it starts from a model of other images, with
weights of the right sizes. Kernels that are not square are left alone, because transposed they would change the layers' shapes.
Transposing draws nothing: two runs differ only in the order of the retain examples. The whole 5th place is `toshi_mixture`.
"""

METADATA = {
    "family": "winner",
    "source": (
        "toshi_k & marvelworld, NeurIPS 2023 Machine Unlearning challenge, "
        "https://www.kaggle.com/competitions/neurips-2023-machine-unlearning"
    ),
    "reported": "0.0720 (public leaderboard, all runs by this half)",
    "values": "published",
    "needs": "the retain set and convolutions",
}

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from solutions.finetune import unlearning as finetune
from solutions.parts.layers import convolutions

SEARCH_SPACE = {
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
    epochs: int = 3,
    learning_rate: float = 1e-3,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    transpose_kernels(net)
    finetune(
        net, retain_loader, forget_loader, val_loader, epochs=epochs, learning_rate=learning_rate, weight_decay=weight_decay
    )


def transpose_kernels(net: nn.Module) -> None:
    """Swap the two spatial axes of all square kernels, in place; a second time undoes it."""
    with torch.no_grad():
        for layer in convolutions(net):
            height, width = layer.kernel_size
            if height == width:
                layer.weight.copy_(layer.weight.mT.clone())
