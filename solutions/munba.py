"""MUNBa: retaining and forgetting bargain over every step, which goes as far for the one as for the other (Nash).

1. A retain batch meets a forget batch whose examples have random labels, of any class, drawn anew each time. Both give the
   gradient of their cross-entropy, g_r and g_f.
2. Bargain: Nash's solution is the direction α_r·g_r + α_f·g_f with α = 1/(|g|·√(1 + cos φ)) for each, where φ is the angle
   between the two. Where they are opposed there is none; then α_r = 1 and α_f = 0.1.
3. Step: the sum is clipped to length 1. SGD; 10 epochs at a constant learning rate of 0.01.
4. When an epoch has no forget batch left, the other retain batches give an ordinary step of cross-entropy each.

Since |g_r|·α_r = |g_f|·α_f and the sum is longer than 1 before it is cut, a bargained step has the direction of the bisector of
the two gradients and length 1, however small they are.

Values: all published, in `Classification/unlearn/MUNBa.py` and `arg_parser.py` of the authors, for CIFAR-10.

Departures: the code writes α with the gradients' products and 1e-8 added to the denominators; above is the same simplified, and
without it. Where it would run out of retain batches before the forget batches end, an epoch ends.
"""

METADATA = {
    "family": "classic",
    "source": "Wu & Harandi 2024, https://arxiv.org/abs/2411.15537; code JingWu321/MUNBa",
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the retain set and the forget set",
    "published_steps": 159,
    "published_batch_size": 256,
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import Batch, batches
from solutions.parts.gradients import gradients
from solutions.parts.members import clipped, products, times
from solutions.parts.training import sgd
from solutions.parts.weights import trainable

OPPOSED = 1e-6  # 1 + cos φ below which there is nothing to bargain for
WITHOUT_AGREEMENT = (1.0, 0.1)  # of the retain and the forget gradient

SEARCH_SPACE = {
    "epochs": (1, 12),
    "learning_rate": (1e-4, 1.0, "log"),
    "clip_norm": (0.1, 1.4, "log"),  # a sum has the length √2: above, nothing is cut
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 10,
    learning_rate: float = 0.01,
    clip_norm: float = 1.0,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    optimiser = sgd(net, learning_rate, weight_decay)
    net.train()
    for _ in range(epochs):
        forget = batches(forget_loader, net)
        for batch in batches(retain_loader, net):
            gradients = bargained(net, batch, next(forget, None), clip_norm)
            for weight, gradient in zip(trainable(net), gradients, strict=True):
                weight.grad = gradient
            optimiser.step()
    net.eval()


def bargained(net: nn.Module, retain: Batch, forget: Batch | None, clip_norm: float) -> list[Tensor]:
    """The gradients of a step, for each of `trainable(net)`: of a retain batch alone, or bargained with a forget batch.

    Args:
        net: in train mode.
        retain: images and labels.
        forget: the same; its labels are replaced.
        clip_norm: length of what was bargained, at most.
    """
    images, labels = retain
    of_retain = gradients(F.cross_entropy(net(images), labels), net)
    if forget is None:
        return of_retain
    logits = net(forget[0])
    of_forget = gradients(F.cross_entropy(logits, torch.randint_like(forget[1], logits.shape[1])), net)
    own, others = nash(of_retain, of_forget, net)
    total = [times(own, r, net) + times(others, f, net) for r, f in zip(of_retain, of_forget, strict=True)]
    return clipped(total, net, clip_norm)


def nash(of_retain: list[Tensor], of_forget: list[Tensor], net: nn.Module) -> tuple[Tensor, Tensor]:
    """What the two gradients are multiplied by, α_r and α_f, [models] each.

    Args:
        of_retain: a gradient, for each of `trainable(net)`.
        of_forget: the other one.
        net: the network.
    """
    retain, forget = (products(own, own, net).sqrt() for own in (of_retain, of_forget))
    from_opposed = 1 + products(of_retain, of_forget, net) / (retain * forget)  # not a number where one of them is zero
    agree = from_opposed > OPPOSED
    alphas = (1 / (length * from_opposed.sqrt()) for length in (retain, forget))
    own, others = (torch.where(agree, alpha, without) for alpha, without in zip(alphas, WITHOUT_AGREEMENT, strict=True))
    return own, others
