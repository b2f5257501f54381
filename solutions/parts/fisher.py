"""Fisher information of a network's predictions, and noise that lies where it is small."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from solutions.parts.batches import Batch
from solutions.parts.gradients import per_example_gradients
from solutions.parts.layers import head, number_of_classes
from solutions.parts.weights import trainable

MAX_NUMBERS = 2**24  # examples times weights for which gradients are held at once: 64 MiB in float32; more is not faster


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
    net: nn.Module,
    fisher: list[Tensor],
    alpha: float,
    largest: float = 1e3,
    largest_in_head: float = 1e2,
    factor: float = 10.0,
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
def add_normal_noise(weights: list[nn.Parameter], variances: list[Tensor]) -> None:
    """Add normal noise of some variances to the weights, in place."""
    for weight, variance in zip(weights, variances, strict=True):
        weight.add_(variance.sqrt() * torch.randn_like(weight))
