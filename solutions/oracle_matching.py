"""Oracle matching: train a network without the forget set, and fine-tune the original towards that network's outputs.

1. The oracle: a network of the same architecture with newly drawn weights, trained on the retain set for 24 epochs. SGD with
   momentum, at a rate that rises from 0 to 0.4 over the first 5/24 of all steps and falls back to 0.
2. The examples to match on: the whole forget set, and five times as many retain examples, drawn at random; all of them where
   there are not so many.
3. Match: 10 epochs over these, shuffled together, in batches of 512. The loss is the mean over examples and classes of the
   squared difference between the network's logits, in train mode, and the oracle's, in eval mode. Adam, learning rate 1e-3,
   times 0.95 after every epoch.

**A yardstick, not to be deployed.** Who has the oracle needs no unlearning: it is a retrained network. The paper takes it for
the best that matching outputs can reach. What it proposes, Datamodel Matching, puts predictions by data attribution in its
place; those take thousands of networks trained beforehand, which a solution does not get. Here every run trains its oracle
anew, so it saves nothing and is above the competition's limit by construction: half of a retraining on digits, where the
recipe's batches are of 12 examples and the loaders' of 64, and more than a retraining where they are alike. There is no search
space: with fewer epochs the oracle would be none.

Labels are looked at for the oracle alone, and it sees nothing of the forget set. Weights that the caller has frozen train in
the oracle, or it would not be a retrained network.

Published, in the authors' code for CIFAR-10 and a ResNet-9 (the first commits of RoyRin/data-unlearning-bench): all values,
those of step 1 in `unlearning/training/train.py`, those of steps 2 and 3 as `best_params_OM` in
`unlearning/auditors/margin_distributions_over_time.py`. For ImageNet's Living-17 they take 20 times as many retain examples, 2
epochs and 1e-4.

Departures: the code draws the same retain examples in every run. Its oracles are trained beforehand, in batches of 256, and
each run takes one at random; here the batches are the loader's.
"""

METADATA = {
    "family": "classic",
    "source": "Georgiev et al., ICLR 2025, https://arxiv.org/abs/2410.23232",
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": (
        "a whole retraining in every run, so it is no more than a yardstick: the retain set, the forget set (`.dataset` of "
        "both), layers that can be drawn anew"
    ),
    "published_steps": 196,
    "published_batch_size": 256,
}

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, in_order, number_of_examples, rebatch
from solutions.parts.gated_transfer import fresh_copy
from solutions.parts.members import by_member
from solutions.parts.training import sgd

PEAK = 5 / 24  # of all steps of the oracle's training, where the learning rate is highest


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    oracle_epochs: int = 24,
    oracle_learning_rate: float = 0.4,
    oracle_weight_decay: float = 5e-4,
    retain_multiple: float = 5.0,
    epochs: int = 10,
    learning_rate: float = 1e-3,
    gamma: float = 0.95,
    batch_size: int = 512,
) -> None:
    """Unlearn `net` in place."""
    oracle = trained_oracle(net, retain_loader, oracle_epochs, oracle_learning_rate, oracle_weight_decay)
    images = to_match(net, retain_loader, forget_loader, retain_multiple)
    match(net, images, outputs(oracle, images, batch_size), epochs, learning_rate, gamma, batch_size)


def trained_oracle(
    net: nn.Module, loader: DataLoader[Any], epochs: int, learning_rate: float, weight_decay: float
) -> nn.Module:
    """A network of the same architecture, trained on a loader from newly drawn weights; in eval mode."""
    oracle = fresh_copy(net)
    optimiser = sgd(oracle, learning_rate, weight_decay)
    schedule = LambdaLR(optimiser, partial(triangle, steps=epochs * len(loader)))
    for _ in range(epochs):
        for images, labels in batches(loader, net):
            optimiser.zero_grad()
            F.cross_entropy(oracle(images), labels).backward()
            optimiser.step()
            schedule.step()
    return oracle.eval()


def triangle(step: int, steps: int) -> float:
    """The learning rate of a step over the highest: 0 at first, 1 at `PEAK`, 0 after all steps."""
    return min(step / (PEAK * steps), (steps - step) / (steps - PEAK * steps))


def to_match(net: nn.Module, retain: DataLoader[Any], forget: DataLoader[Any], multiple: float) -> Tensor:
    """The images of the whole forget set and of as many retain examples times a multiple, or of all that there are.

    Returns:
        [models, examples, channels, height, width].
    """
    of_forget = first_images(net, in_order(forget), number_of_examples(forget))
    of_retain = first_images(net, rebatch(retain, retain.batch_size or 1), int(multiple * number_of_examples(forget)))
    return torch.cat([of_forget, of_retain], dim=1)


def first_images(net: nn.Module, loader: Iterable[Any], number: int) -> Tensor:
    """The first images of an epoch, [models, number, channels, height, width]; fewer where there are not so many."""
    found: list[Tensor] = []
    for images, _ in batches(loader, net):
        found.append(by_member(images, net))
        if sum(part.shape[1] for part in found) >= number:
            break
    return torch.cat(found, dim=1)[:, :number]


@torch.no_grad()
def outputs(oracle: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    """Logits of images [models, examples, ...], in batches; [models, examples, classes]."""
    return torch.cat([by_member(oracle(part.flatten(0, 1)), oracle) for part in images.split(batch_size, dim=1)], dim=1)


def match(
    net: nn.Module, images: Tensor, targets: Tensor, epochs: int, learning_rate: float, gamma: float, batch_size: int
) -> None:
    """Fine-tune a network until its logits are near given ones; in place.

    Args:
        net: is left in eval mode.
        images: [models, examples, channels, height, width].
        targets: logits, [models, examples, classes].
        epochs: how many.
        learning_rate: of the first.
        gamma: the learning rate of an epoch over that of the one before.
        batch_size: examples of one model in a batch.
    """
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate)
    schedule = ExponentialLR(optimiser, gamma)
    net.train()
    for _ in range(epochs):
        order = by_member(torch.randperm(images.shape[:2].numel(), device=images.device), net)
        for chosen in order.split(batch_size, dim=1):
            optimiser.zero_grad()
            F.mse_loss(net(images.flatten(0, 1)[chosen.flatten()]), targets.flatten(0, 1)[chosen.flatten()]).backward()
            optimiser.step()
        schedule.step()
    net.eval()
