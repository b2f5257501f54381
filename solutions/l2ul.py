"""L2UL ("learning to unlearn"): climb the forget set's loss, held back by adversarial examples and by what weights matter for.

1. Attack: for every forget image 20 adversarial examples, each with another class, drawn at random, for its label: 100 steps of
   projected gradient descent, each of the same length, on the cross-entropy with that label, from a random place in a ball
   around the image. Network in eval mode, pixels cut to their range.
2. Importance of every weight to the forget set: the mean over examples of the absolute gradient of the batch's mean length of
   the logits, in train mode; scaled to [0, 1] within every tensor. What it lacks of 1 is the weight's stiffness.
3. Unlearn: SGD on batches of 256 adversarial examples and, with each, the next 32 forget examples, round and round. The loss is
   the cross-entropy of the former less that of the latter, each by its share of the examples, plus λ/2 times the sum of
   stiffness · (w - w₀)² over all weights, where w₀ are the original's.
4. Stop as soon as no forget example is right any more, in eval mode; at the latest after 20 rounds over the adversarial ones.

The retain set is not used; the adversarial examples stand in for it, since they lie where the decision boundaries are. The
method is made to misclassify a few examples (1 to 256 of 50,000), while a retrained network gets most of a random forget set
right.

Published, for CIFAR-10 in `run_unlearn_cifar_imagenet.sh`, `main_unlearn_cifar10_mixed_label_resnet18.py` and `utils.py` of
the authors: all values but lengths and rounds. The ball there has a radius of 4 and a step a length of 0.1, for 3,072 pixels
in [0, 1]. The more pixels, the longer such a vector, so here both are root mean squares over pixels, in units of the pixels'
range: 4/√3072 and 0.1/√3072. On digits a radius of 4 would reach other digits. The code ends after 1001 rounds, which it never
comes to with a few examples. On digits nothing else would end it: 98 % of the forget set are right after 50 rounds, and still
94 % after 1001. A run takes 4 s there.

Departure: where the code draws an example's own class it takes class 5 instead; here classes are other ones to begin with.
"""

METADATA = {
    "family": "classic",
    "source": "Cha et al., AAAI 2024, https://arxiv.org/abs/2301.11578; code csm9493/L2UL",
    "reported": "none for the competition's metric",
    "values": "published; carried over: radius, step; ours: most_epochs",
    "needs": "the forget set (`.dataset`), gradients with respect to images",
    "published_steps": 0,
}

import copy
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from solutions.amun import ascent, within
from solutions.lotus import accuracy
from solutions.parts.batches import Batch, batches, endless, in_order
from solutions.parts.training import sgd
from solutions.parts.weights import trainable
from solutions.random_labels import wrong_labels

SEARCH_SPACE = {
    "copies": (5, 40, "log"),
    "radius": (0.01, 0.2, "log"),
    "learning_rate": (1e-4, 0.1, "log"),
    "stiffness": (0.01, 100.0, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    copies: int = 20,
    radius: float = 0.0722,
    step: float = 0.0018,
    steps: int = 100,
    learning_rate: float = 1e-3,
    stiffness: float = 1.0,
    most_epochs: int = 20,
    batch_size: int = 256,
    forget_batch_size: int = 32,
    weight_decay: float = 1e-4,
) -> None:
    """Unlearn `net` in place."""
    forget = in_order(forget_loader, forget_batch_size)
    near = DataLoader(TensorDataset(*adversarial(net, in_order(forget_loader), copies, radius, step, steps)), batch_size)
    loss = held_back(net, [stiffness * (1 - scaled(importance)) for importance in importances(net, forget)])
    optimiser = sgd(net, learning_rate, weight_decay)
    pairs = zip(batches(endless(near), net), batches(endless(forget), net), strict=True)
    for adversaries, examples in islice(pairs, most_epochs * len(near)):
        net.train()
        optimiser.zero_grad()
        loss(adversaries, examples).backward()
        optimiser.step()
        if accuracy(net.eval(), forget) == 0:
            break
    net.eval()


def adversarial(
    net: nn.Module, loader: DataLoader[Any], copies: int, radius: float, step: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Images near a loader's and the random classes that they are to be taken for.

    Args:
        net: is left in eval mode.
        loader: on examples of either kit.
        copies: of every image.
        radius: the root mean square over pixels by which a copy differs from its image at most, in units of the pixels' range.
        step: that of one step.
        steps: of the descent.

    Returns:
        Images [copies · examples, channels, height, width] and labels [copies · examples]; batch after batch, and within a
        batch copy after copy.
    """
    net.eval()
    originals = list(batches(loader, net))
    pixels = torch.cat([images for images, _ in originals])
    span = (pixels.min().item(), pixels.max().item())
    length = (span[1] - span[0]) * pixels[0].numel() ** 0.5  # of a vector whose root mean square is the pixels' range
    found = []
    for images, labels in originals:
        near, wanted = images.repeat(copies, 1, 1, 1), wrong_labels(labels.repeat(copies), net(images).shape[1])
        found.append((attack(net, near, wanted, radius * length, step * length, steps, span), wanted))
    images, labels = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return images, labels


def attack(
    net: nn.Module, images: Tensor, wanted: Tensor, radius: float, step: float, steps: int, span: tuple[float, float]
) -> Tensor:
    """Images near others that a network tends to take for given classes.

    Args:
        net: in eval mode.
        images: [examples, channels, height, width].
        wanted: classes, [examples].
        radius: Euclidean.
        step: the length of each.
        steps: how many.
        span: the least and the greatest value of a pixel.
    """
    near = within(torch.empty_like(images).uniform_(*span), images, radius).clamp(*span)
    for _ in range(steps):
        directions, _ = ascent(net, near, wanted)
        near = within((near - step * directions).clamp(*span), images, radius)
    return near.clamp(*span)


def importances(net: nn.Module, loader: DataLoader[Any]) -> list[Tensor]:
    """For each of `trainable(net)` what step 2 says, but for the scaling: of its shape.

    Args:
        net: stays as it is.
        loader: of the examples; the labels are not used.
    """
    copied = copy.deepcopy(net).train()  # whose statistics move
    totals = [torch.zeros_like(weight) for weight in trainable(copied)]
    for images, _ in batches(loader, net):
        mean_length = copied(images).norm(dim=1).mean()
        parts = torch.autograd.grad(mean_length, trainable(copied), allow_unused=True, materialize_grads=True)
        for total, gradient in zip(totals, parts, strict=True):
            total += len(images) * gradient.abs()
    return totals


def scaled(importance: Tensor) -> Tensor:
    """The same, shifted and scaled to [0, 1]; 0 where all are alike."""
    least, greatest = importance.min(), importance.max()
    return (importance - least) / (greatest - least).clamp_min(torch.finfo(importance.dtype).tiny)


def held_back(net: nn.Module, stiffness: list[Tensor]) -> Callable[[Batch, Batch], Tensor]:
    """The loss of step 3, of a batch of adversarial examples and one of forget examples.

    Args:
        net: whose weights are the original's now.
        stiffness: of each of `trainable(net)`, of its shape.
    """
    originals = [weight.detach().clone() for weight in trainable(net)]

    def loss(adversaries: Batch, examples: Batch) -> Tensor:
        both = sum(sign * F.cross_entropy(net(x), y, reduction="sum") for sign, (x, y) in ((1, adversaries), (-1, examples)))
        springs = [
            (k * (weight - original).square()).sum()
            for k, weight, original in zip(stiffness, trainable(net), originals, strict=True)
        ]
        total: Tensor = both / (len(adversaries[1]) + len(examples[1])) + torch.stack(springs).sum() / 2
        return total

    return loss
