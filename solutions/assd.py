"""Adaptive SSD (ASSD): selective synaptic dampening that finds its own selection weight, by the size of the forget set.

1. Importances of every weight to the forget set (I_f) and to all training data (I_D), as in `ssd`.
2. Select the weights with I_f > α·I_D, where α is a percentile of the ratios I_f/I_D of all weights together:
   100 - ln(1 + 100·s), where s is the forget set's share of all training data. So ln(1 + 100·s) percent of the weights are
   selected: 3 % if a fifth of the data is to be forgotten, 0.7 % if a hundredth.
3. Dampen as in `ssd`: multiply the selected weights by I_D/I_f.

There is nothing to tune, which is the point of it. Unlike in `ssd`, something is always selected. What is said there of batches
and of chance holds here too.

Published: the percentile in `error_unlearning.ipynb` of the authors, and that ratios which are not finite do not count for it;
λ = 1 and that both importances are taken in eval mode in `src/utils.py` of a later work (if-loops/towards_poison_unlearning),
which says that they are as in the paper. The notebook's own default, for its other data, is λ = 0.1.
"""

METADATA = {
    "family": "classic",
    "source": (
        "Schoepf et al. 2024, https://arxiv.org/abs/2402.10098; code if-loops/adaptive-selective-synaptic-dampening "
        "and if-loops/towards_poison_unlearning"
    ),
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the forget set and the retain set (`.dataset` of both)",
}

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import number_of_examples
from solutions.parts.weights import trainable
from solutions.ssd import all_training_data, dampen, importances, select


def unlearning(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], val_loader: DataLoader[Any]
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    to_forget = importances(net, forget_loader)
    to_all = importances(net, all_training_data(retain_loader, forget_loader))
    forget, retain = number_of_examples(forget_loader), number_of_examples(retain_loader)
    selection_weight = percentile(ratios(to_forget, to_all), 100 - math.log(1 + 100 * forget / (forget + retain)))
    dampen(trainable(net), select(to_forget, to_all, selection_weight), to_forget, to_all, 1.0)


def ratios(to_forget: list[Tensor], to_all: list[Tensor]) -> Tensor:
    """I_f/I_D of all weights together, as a vector, but for those that are not finite."""
    all_ratios = torch.cat([(i_f / i_d).flatten() for i_f, i_d in zip(to_forget, to_all, strict=True)])
    return all_ratios[all_ratios.isfinite()]


def percentile(values: Tensor, percent: float) -> float:
    """A percentile of a vector, between two of its values in proportion; infinite for no values at all.

    `torch.quantile` takes no more than 2**24 of them.
    """
    if not len(values):
        return math.inf
    ordered = values.sort().values.double()
    place = percent / 100 * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below.lerp(above, place % 1).item()
