"""DEL: re-initialise the channels most critical for the forget set, then fine-tune those and the head on the retain set.

1. Score every channel, that is every output channel or row of a weight with at least two dimensions: the mean of the largest
   10 % of |θ·g| in it, where g is the gradient of the forget set's cross-entropy. Every bias and every weight of a
   normalisation layer is a channel of its own.
2. Re-initialise the channels with the highest scores in the whole network, as many as it takes to reach 30 % of all
   parameters.
3. Fine-tune these channels and the whole head, and nothing else, with cross-entropy on the retain set: 30 epochs at a learning
   rate that falls from 0.015 as a cosine, to a hundredth.

30 epochs are published. That is as many as the competition trained its original for, and it allowed a fifth of that time, so
about 5 fit there. Which channels are chosen does not depend on chance; their new values and the order of the data do.

Published, in the authors' code (https://github.com/reihaneh-torkzadehmahani/DEL-Unlearning, generate_mask.py, unlearn.py and
scripts/run_unlearn.sh): all values, no weight decay; g in eval mode; the new values are those of a network before training (1
and 0 in a normalisation layer); batch-norm statistics follow the new channels. For a ViT the score is the mean of a whole row:
`top_share` = 1.

Departures: the code counts the largest values of a channel by a tenth of the layer's channels instead of the channel's
parameters; on a small network that is none. It cuts at exactly 30 %, within a channel. It sums batches' mean gradients; here
the last batch, which is smaller, does not count for more.
"""

METADATA = {
    "family": "classic",
    "source": "Torkzadehmahani et al., TMLR 2025, https://arxiv.org/abs/2412.02432",
    "reported": "none",
    "values": "published",
    "needs": "the retain set and the forget set",
}

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from solutions.parts.gradients import summed_gradients
from solutions.parts.layers import head
from solutions.parts.members import by_member
from solutions.parts.training import confine, sgd, train_epoch
from solutions.parts.weights import reinitialise, trainable

SEARCH_SPACE = {
    "top_share": (0.01, 0.5),  # of all parameters there is no largest share
    "fraction": (0.01, 0.95, "log"),
    "epochs": (1, 30),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": [0.0, 1e-4, 1e-3, 1e-2],
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    top_share: float = 0.1,
    fraction: float = 0.3,
    epochs: int = 30,
    learning_rate: float = 0.015,
    weight_decay: float = 0.0,
) -> None:
    """Unlearn `net` in place."""
    masks = most_critical(channel_scores(net, forget_loader, top_share), fraction, net)
    reset(net, masks)
    whole_head = {weight: torch.ones_like(weight, dtype=torch.bool) for weight in trainable(head(net))}
    fine_tune(net, retain_loader, {**masks, **whole_head}, epochs, learning_rate, weight_decay)


def channel_scores(net: nn.Module, forget_loader: DataLoader[Any], top_share: float) -> dict[nn.Parameter, Tensor]:
    """For every trainable weight the mean of the largest |θ·g| of each of its channels; of one dimension, |θ·g| itself.

    Args:
        net: the network.
        forget_loader: the batches over which the gradient g is summed.
        top_share: of the parameters of a channel, in (0, 1].

    Returns:
        [channels] for each weight.
    """
    net.eval()
    # The sum over examples, not batches' means: the last batch is smaller.
    gradients = summed_gradients(net, forget_loader, partial(F.cross_entropy, reduction="sum"))
    scores = {}
    for weight, gradient in zip(trainable(net), gradients, strict=True):
        products = (weight.detach() * gradient).abs().reshape(len(weight), -1)
        scores[weight] = products.topk(max(1, round(top_share * products.shape[1])), dim=1).values.mean(dim=1)
    return scores


def most_critical(scores: dict[nn.Parameter, Tensor], fraction: float, net: nn.Module) -> dict[nn.Parameter, Tensor]:
    """The channels with the highest scores, from the top down until they hold a fraction of all parameters.

    Args:
        scores: [channels] for each weight.
        fraction: of the weights' parameters, in [0, 1]; the last channel may exceed it.
        net: the network that the weights belong to.

    Returns:
        For each weight a boolean tensor of its shape, True in the channels chosen.
    """
    own = [by_member(score, net) for score in scores.values()]  # [models, channels] for each weight
    sizes = [torch.full_like(score[0], weight[0].numel(), dtype=torch.long) for weight, score in zip(scores, own, strict=True)]
    order = torch.cat(own, dim=1).argsort(dim=1, descending=True)
    parameters = torch.cat(sizes)[order]
    before = parameters.cumsum(dim=1) - parameters
    needed = before < fraction * parameters.sum(dim=1, keepdim=True)
    chosen = torch.zeros_like(needed).scatter_(1, order, needed)
    parts = chosen.split([score.shape[1] for score in own], dim=1)
    return {
        weight: part.reshape(-1, *[1] * (weight.dim() - 1)).expand_as(weight)
        for weight, part in zip(scores, parts, strict=True)
    }


@torch.no_grad()
def reset(net: nn.Module, masks: dict[nn.Parameter, Tensor]) -> None:
    """New values, as before training, where the masks of the trainable weights are True."""
    fresh = copy.deepcopy(net)
    reinitialise(fresh)
    for weight, new in zip(trainable(net), trainable(fresh), strict=True):
        weight.copy_(torch.where(masks[weight], new, weight))


def fine_tune(
    net: nn.Module,
    loader: DataLoader[Any],
    masks: dict[nn.Parameter, Tensor],
    epochs: int,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Train what the masks allow, and nothing else."""
    optimiser = sgd(net, learning_rate, weight_decay)
    confine(optimiser, masks)
    schedule = CosineAnnealingLR(optimiser, T_max=max(epochs, 1), eta_min=0.01 * learning_rate)
    net.train()
    for _ in range(epochs):
        train_epoch(net, loader, optimiser)
        schedule.step()
    net.eval()
