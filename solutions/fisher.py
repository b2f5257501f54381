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

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import Batch, draw_examples, number_of_examples
from solutions.parts.gradients import per_example_gradients
from solutions.parts.layers import head, number_of_classes
from solutions.parts.weights import trainable

MAX_NUMBERS = 2**24  # examples times weights for which gradients are held at once: 64 MiB in float32; more is not faster


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
    add_noise(trainable(net), variances)


def fisher_diagonal(net: nn.Module, sample: Iterable[Batch]) -> list[Tensor]:
    """For each of `trainable(net)` the diagonal of the Fisher information, the mean over a sample's examples.

    Args:
        net: in eval mode.
        sample: batches of images and labels, at least one; the labels are not used.
    """
    weights = trainable(net)
    totals = [torch.zeros_like(weight) for weight in weights]
    at_once = max(1, MAX_NUMBERS // sum(weight.numel() for weight in weights))
    count = 0
    for batch in sample:
        images, count = batch[0], count + len(batch[0])
        classes = number_of_classes(net, [batch])
        for chunk in images.split(at_once):
            for label in range(classes):
                labels = torch.full((len(chunk),), label, device=images.device)
                gradients = per_example_gradients(net, chunk, labels, rooted_log_likelihood)
                for total, gradient in zip(totals, gradients, strict=True):
                    total += gradient.square().sum(dim=0)
    return [total / count for total in totals]


def rooted_log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    """√p_y · log p_y, summed over a batch, with p_y taken as a constant: its gradient's square is p_y (∂ log p_y)²."""
    log_p = logits.log_softmax(dim=1).gather(1, labels[:, None])
    return ((log_p / 2).exp().detach() * log_p).sum()


def noise_variances(
    net: nn.Module, fisher: list[Tensor], alpha: float, largest: float, largest_in_head: float, factor: float
) -> list[Tensor]:
    """For each of `trainable(net)` the variances of its noise, of its shape or one that expands to it.

    Args:
        net: tells the head.
        fisher: for each of the weights the diagonal of the Fisher information.
        alpha: scale of all variances.
        largest: value of 1/F, before the scale.
        largest_in_head: the same for the head's weights and biases.
        factor: on the variances of the head and of weights of one dimension.
    """
    in_head = {id(weight) for weight in head(net).parameters()}
    variances = []
    for weight, information in zip(trainable(net), fisher, strict=True):
        variance = alpha * (1 / (information + 1e-8)).clamp(max=largest_in_head if id(weight) in in_head else largest)
        if variance.dim() > 1:
            variance = variance.mean(dim=1, keepdim=True)
        variances.append(variance * factor if id(weight) in in_head or weight.dim() == 1 else variance)
    return variances


@torch.no_grad()
def add_noise(weights: list[nn.Parameter], variances: list[Tensor]) -> None:
    """Add normal noise of some variances to the weights, in place."""
    for weight, variance in zip(weights, variances, strict=True):
        weight.add_(variance.sqrt() * torch.randn_like(weight))
