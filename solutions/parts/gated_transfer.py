"""The gate and the student of GKT and its variants (`gkt.py`)."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from solutions.parts.data_spec import DataSpec
from solutions.parts.layers import blocks
from solutions.parts.weights import reinitialise

FEWEST = 8  # images that pass the gate; batch-norm needs some
PUBLISHED_PIXELS = 32 * 32  # of the images that the weight of attention is meant for


@dataclass(frozen=True)
class Settings:
    """The hyper-parameters of `unlearning`, and those of its variants.

    Attributes:
        most_entropy: of the teacher's prediction, in nats; images above it do not pass, either.
    """

    pseudo_batches: int = 400
    batch_size: int = 64
    student_steps: int = 10
    learning_rate: float = 3e-3
    largest_gradient: float = 5.0
    gate: float = 0.01
    most_entropy: float = float("inf")
    attention_weight: float = 250.0
    balance: float = 0.05
    average: float = 0.99
    share_forget: bool = False
    examine_every: int = 25
    patience: int = 8


# --- the gate


@dataclass(frozen=True)
class Lesson:
    """What a student learns from: images that pass the gate, and what the teacher makes of them.

    Attributes:
        images: [images, channels, height, width].
        targets: logarithms of the probabilities to be learnt, [images, classes].
        maps: what the teacher looks at, for each block [images, places].
    """

    images: Tensor
    targets: Tensor
    maps: list[Tensor]


class Gate:
    """Decides which images a student learns from, and what it learns.

    Args:
        teacher: a network in eval mode.
        spec: gives the forget classes.
        settings: of the gate.
    """

    def __init__(self, teacher: nn.Module, spec: DataSpec, settings: Settings) -> None:
        self.teacher, self.spec, self.settings = teacher, spec, settings
        self.forget = list(spec.forget)

    def passes(self, logits: Tensor) -> Tensor:
        """Which images the student may see, [images], by the teacher's logits."""
        return self.excess(logits) == 0

    def excess(self, logits: Tensor) -> Tensor:
        """What keeps images from passing, [images]: log-probability of the forget classes, and entropy, beyond the most."""
        log_p = logits.log_softmax(dim=1)
        forgotten = log_p[:, self.forget].logsumexp(dim=1) - math.log(self.settings.gate)
        entropy = -(log_p.exp() * log_p).sum(dim=1) - self.settings.most_entropy
        return forgotten.clamp(min=0) + entropy.clamp(min=0)

    def is_forgotten(self, labels: Tensor) -> Tensor:
        """Which of some classes [images] are to be forgotten, [images]."""
        return torch.isin(labels, torch.tensor(self.forget, device=labels.device))

    def targets(self, logits: Tensor) -> Tensor:
        """Logarithms of the teacher's probabilities, without those of forget classes unless these are to be shared."""
        if not self.settings.share_forget:
            lowest = torch.finfo(logits.dtype).min / 2
            logits = logits.index_fill(1, torch.tensor(self.forget, device=logits.device), lowest)
        return logits.log_softmax(dim=1)

    def lesson(self, images: Tensor) -> Lesson:
        """What the student is to learn from some images."""
        with recorded(self.teacher) as activations:
            logits = self.teacher(images)
        passes = self.passes(logits)
        return Lesson(images[passes], self.targets(logits[passes]), [m[passes] for m in attention_maps(activations)])


# --- the student


def fresh_copy(net: nn.Module) -> nn.Module:
    """A network of the same architecture with new random weights, all of which can be trained, in train mode."""
    student = copy.deepcopy(net).requires_grad_(True)
    reinitialise(student)
    return student.train()


def study(student: nn.Module, lesson: Lesson, optimiser: Optimizer, settings: Settings) -> None:
    """One step of the student towards its teacher."""
    if len(lesson.images) < FEWEST:
        return
    with recorded(student) as activations:
        logits = student(lesson.images)
    loss = divergence(logits, lesson.targets)
    if settings.attention_weight:
        maps = attention_maps(activations)
        weight = settings.attention_weight * lesson.images[0, 0].numel() / PUBLISHED_PIXELS
        loss = loss + weight * torch.stack(list(map(F.mse_loss, maps, lesson.maps))).sum()
    descend(loss, student, optimiser, settings)


@torch.no_grad()
def follow(average: nn.Module, student: nn.Module, share: float) -> None:
    """Move the running average of a student towards it; of each of its numbers this share is kept."""
    for own, new in zip(average.state_dict().values(), student.state_dict().values(), strict=True):
        if own.is_floating_point():
            own.lerp_(new, 1 - share)
        else:
            own.copy_(new)


def divergence(logits: Tensor, targets: Tensor) -> Tensor:
    """KL(teacher‖student), the mean over images and classes, of which the source's weight of attention is a multiple.

    Args:
        logits: of the student, [images, classes].
        targets: logarithms of the teacher's probabilities, [images, classes].
    """
    return (targets.exp() * (targets - logits.log_softmax(dim=1))).mean()


def descend(loss: Tensor, network: nn.Module, optimiser: Optimizer, settings: Settings) -> None:
    """One step of an optimiser on its network's weights, and on nothing else that the loss depends on."""
    weights = list(network.parameters())
    gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    nn.utils.clip_grad_norm_(weights, settings.largest_gradient)
    optimiser.step()


@contextmanager
def recorded(net: nn.Module) -> Iterator[list[Tensor]]:
    """Collects what each block of a network but the head gives, while the network runs."""
    activations: list[Tensor] = []
    hooks = [
        block[-1].register_forward_hook(lambda layer, arguments, output: activations.append(output))
        for block in blocks(net)[:-1]
    ]
    try:
        yield activations
    finally:
        for hook in hooks:
            hook.remove()


def attention_maps(activations: list[Tensor]) -> list[Tensor]:
    """Where a network looks, [images, places] of length 1 for each of its activations that has places."""
    maps = (activation.relu().square().mean(dim=1).flatten(1) for activation in activations if activation.dim() == 4)
    return [F.normalize(places, dim=1) for places in maps]
