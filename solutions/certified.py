"""Certified unlearning: noisy clipped steps on the retain set until no one can tell where they began, then fine-tuning.

1. Clip the weights, all of them as one vector, to a length of at most C₀ = 20.
2. T noisy steps on retain batches: w ← w - η·(g + λ·w) + σ·N, where g is the gradient of the cross-entropy, clipped to a length
   of at most C₁ = 10, and N is normal noise; η = 0.01, λ = 50. Two networks that begin anywhere within step 1 and take the same
   steps end no farther from each other than D = 2·C₀·ρᵀ + 2·C₁/λ · (1 - ρᵀ), with ρ = 1 - ηλ; the noise adds up to a variance
   of σ²·(1 - ρ²ᵀ)/(1 - ρ²). σ is such that D² is 2ε times that, with ε = 1: a Rényi divergence of α·ε at most, between what
   comes of the original and what would have come of a network that never saw the forget set. T is the least of
   ln(2·C₀·λ/C₁)/(ηλ) and C₀/(C₁·η), rounded up: 11.
3. Fine-tune on the retain set for the rest of 30 epochs: SGD without momentum at a rate that rises from 0.004 to 0.1 over the
   first 30 % of all steps, falls back up to 85 % of them, and then to nothing.

The forget set is not looked at. At these values little of the network is left after step 2: a weight has lost all but 1/2000 of
itself, and its noise has a standard deviation of 0.3. That is the price of the certificate, which holds for any network.

Values: all published, in `convergence_curve_runs/pabi/` and `src/training/trainer.py` of the authors ("Gradient Clipping" in
the paper), for a network of two convolutions on CIFAR-10; their other experiments have other values.

Departure: their network has no batch-norm. The statistics of such layers are of all training data, so they begin anew in
step 1. Nothing is certified of weights that the caller has frozen.
"""

METADATA = {
    "family": "classic",
    "source": (
        "Koloskova et al., ICML 2025, https://arxiv.org/abs/2506.06985; "
        "code stair-lab/certified-unlearning-neural-networks-icml-2025"
    ),
    "reported": "none for the competition's metric",
    "values": "published",
    "certificate": (
        "whatever the network, a Rényi divergence of order α from what unlearning makes of one that never saw the forget set "
        "of at most α·epsilon, for every α; epsilon = 1"
    ),
    "needs": "the retain set",
    "published_steps": 317,
    "published_batch_size": 128,
}

import math
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, endless
from solutions.parts.gradients import gradients
from solutions.parts.members import clipped
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "weights_clip": (5.0, 50.0, "log"),
    "gradient_clip": (1.0, 30.0, "log"),
    "epsilon": (0.1, 10.0, "log"),
    "epochs": (6, 30),  # fewer may be no more than the noisy steps
    "learning_rate": (0.01, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    weights_clip: float = 20.0,
    gradient_clip: float = 10.0,
    decay: float = 50.0,
    noisy_learning_rate: float = 0.01,
    epsilon: float = 1.0,
    epochs: int = 30,
    learning_rate: float = 0.1,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    begin(net, weights_clip)
    noisy = noisy_steps(weights_clip, gradient_clip, decay, noisy_learning_rate)
    std = noise_std(weights_clip, gradient_clip, decay, noisy_learning_rate, epsilon, noisy)
    steps = epochs * len(retain_loader)
    optimiser = torch.optim.SGD(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = LambdaLR(optimiser, partial(one_cycle, steps=steps))
    net.train()
    for step, (images, labels) in enumerate(batches(islice(endless(retain_loader), steps), net)):
        loss = F.cross_entropy(net(images), labels)
        if step < noisy:
            noisy_step(net, clipped(gradients(loss, net), net, gradient_clip), noisy_learning_rate, decay, std)
        else:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    net.eval()


@torch.no_grad()
def begin(net: nn.Module, weights_clip: float) -> None:
    """Clip the weights to a length, and let the statistics of batch-norm layers begin anew; in place."""
    weights = trainable(net)
    for weight, shorter in zip(weights, clipped([weight.detach() for weight in weights], net, weights_clip), strict=True):
        weight.copy_(shorter)
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.reset_running_stats()


def noisy_steps(weights_clip: float, gradient_clip: float, decay: float, learning_rate: float) -> int:
    """T, the number of noisy steps; at least one."""
    by_decay = math.log(2 * weights_clip * decay / gradient_clip) / (learning_rate * decay)
    by_gradients = weights_clip / (gradient_clip * learning_rate)
    return max(1, math.ceil(min(by_decay, by_gradients) if by_decay > 0 else by_gradients))


def noise_std(
    weights_clip: float, gradient_clip: float, decay: float, learning_rate: float, epsilon: float, steps: int
) -> float:
    """σ, the standard deviation of the noise of every weight in each of the steps."""
    rest = (1 - learning_rate * decay) ** steps
    apart = 2 * weights_clip * rest + 2 * gradient_clip / decay * (1 - rest)
    times_added = (1 - rest**2) / (1 - (1 - learning_rate * decay) ** 2)
    return apart / math.sqrt(2 * epsilon * times_added)


@torch.no_grad()
def noisy_step(net: nn.Module, gradient: list[Tensor], learning_rate: float, decay: float, std: float) -> None:
    """Let w ← w - η·(g + λ·w) + σ·N for each of `trainable(net)`, in place."""
    for weight, part in zip(trainable(net), gradient, strict=True):
        weight.sub_(learning_rate * (part + decay * weight)).add_(torch.randn_like(weight), alpha=std)


def one_cycle(step: int, steps: int) -> float:
    """The learning rate of a step over the highest: 1/25, 1, 1/25 and 1/250000 after 0, 30, 85 and 100 % of the steps."""
    marks = (0, int(0.3 * steps), int(0.85 * steps), steps)
    heights = (1 / 25, 1.0, 1 / 25, 1 / 250_000)
    for begin, end, low, high in zip(marks, marks[1:], heights, heights[1:], strict=False):
        if step < end:
            return low + (high - low) * (step - begin) / (end - begin)
    return heights[-1]
