"""Gradients of batches and of single examples."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from solutions.parts.batches import batches
from solutions.parts.training import Loss
from solutions.parts.weights import trainable


def gradients(loss: Tensor, net: nn.Module) -> list[Tensor]:
    """The gradient of a loss with respect to each of `trainable(net)`."""
    return list(torch.autograd.grad(loss, trainable(net), allow_unused=True, materialize_grads=True))


def batch_gradients(net: nn.Module, loader: Iterable[Any], loss: Loss = F.cross_entropy) -> Iterator[list[Tensor]]:
    """For each batch the loss's gradient with respect to each of `trainable(net)`.

    The network is used in the mode it is in: train mode moves the statistics of batch-norm layers.
    """
    for images, labels in batches(loader, net):
        yield gradients(loss(net(images), labels), net)


def summed_gradients(net: nn.Module, loader: Iterable[Any], loss: Loss = F.cross_entropy) -> list[Tensor]:
    """The sum of `batch_gradients`: what `backward` on every batch would accumulate."""
    totals = [torch.zeros_like(weight) for weight in trainable(net)]
    for gradients in batch_gradients(net, loader, loss):
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient
    return totals


def per_example_gradients(net: nn.Module, images: Tensor, labels: Tensor, loss: Loss = F.cross_entropy) -> list[Tensor]:
    """For each of `trainable(net)` the gradients of every example's own loss, [examples, *weight.shape].

    Takes examples times the memory of the weights. The network must be in eval mode: batch-norm mixes the examples of a batch.

    Args:
        net: the network.
        images: [examples, channels, height, width].
        labels: [examples], whatever the loss wants of an example.
        loss: of logits [1, classes] and labels [1].
    """
    names = [name for name, weight in net.named_parameters() if weight.requires_grad]
    weights = dict(zip(names, (weight.detach() for weight in trainable(net)), strict=True))

    def own_loss(weights: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return loss(functional_call(net, weights, (image[None],)), label[None])

    gradients = vmap(grad(own_loss), in_dims=(None, 0, 0))(weights, images, labels)
    return [gradients[name] for name in names]
