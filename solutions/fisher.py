"""Fisher forgetting: noise on every weight, the stronger the less the retain set's predictions depend on it.

1. Diagonal of the Fisher information of every weight on the retain set: for each example the expectation of
   (∂ log p_y / ∂θ)² over the classes y, which the network predicts with p_y; then the mean over examples. In eval mode.
2. Variance of every weight: 1/(F + 1e-8), at most 1000 (in the head 100), times α = 1e-6; averaged over the inputs of each
   output unit, but not over places of a kernel; times 10 in the head and in all weights of one dimension.
3. Add normal noise of mean 0 and that variance.

Nothing is trained. The forget set does not enter, nor do labels: what the retain set does not need is to be forgotten.

Values: all published, in the authors' `Forgetting.ipynb`. The head is there what has as many rows as there are classes. The
code of SSD (`src/forget_random_strategies.py` of if-loops/selective-synaptic-dampening) leaves out the factor 10 on the head's
matrix when a random set is forgotten; neither the authors nor OPTML-Group/Unlearn-Saliency do.

Departures: when a class is forgotten as a whole, the notebook also sets what belongs to it in the head to noise of variance
1e-3 around 0; that is left out, since the forget set need not be a class. Step 1 takes a gradient per example and class, so it
is slow on large networks; `share` limits it to a share of the retain set, drawn at random.
"""

METADATA = {
    "family": "classic",
    "source": "Golatkar et al. 2020, https://arxiv.org/abs/1911.04933; code AdityaGolatkar/SelectiveForgetting",
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the retain set without labels, per-example gradients",
}

from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from solutions.parts.batches import draw_examples, number_of_examples
from solutions.parts.fisher import add_normal_noise, fisher_diagonal, noise_variances
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "share": (0.05, 1.0, "log"),
    "alpha": (1e-9, 1e-3, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    share: float = 1.0,
    alpha: float = 1e-6,
    largest: float = 1e3,
    largest_in_head: float = 1e2,
    factor: float = 10.0,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    count = max(1, round(share * number_of_examples(retain_loader)))
    fisher = fisher_diagonal(net, draw_examples(net, retain_loader, count))
    variances = noise_variances(net, fisher, alpha, largest, largest_in_head, factor)
    add_normal_noise(trainable(net), variances)
