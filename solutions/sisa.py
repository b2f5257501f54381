"""SISA: an ensemble with a network for each shard of the data, of which only the networks concerned are trained again.

1. Its own training: cut the training set at random into S = 5 shards, each into R = 5 slices; train a network on each shard, on
   slice 0 first, then on slices 0 and 1, and so on, with a fresh optimiser each time, and keep it after every slice.
2. To forget, remove the examples from their slices.
3. Of each shard that held one, take the network from before the first slice that held one, and train the slices from there on.
4. The networks vote, with equal weights.

Unlike the others it does not unlearn the task's original model: it brings its own trainer, and is compared with ensembles that
were trained without the forget set. It is exact: given the assignment to shards and slices, what comes out is what training
without the forget set gives, bit for bit if the seeds are the same (`parts/sisa.py`, `docs/sisa.md`). Here retraining draws
fresh seeds, as every solution does. Unlearned models that come from one original model share its assignment and the networks
that need no training; `--originals N` gives each an original of its own, as the definition of unlearning has it.

The paper takes 20 shards for hundreds of thousands of examples; 5 shards of 5 slices are our choice, for few. A stage takes
2e/(R + 1) epochs where the task's recipe has e, rounded, so that a shard is trained for about e. Everything else is the
recipe's.
"""

METADATA = {
    "family": "classic",
    "source": 'Bourtoule et al. 2021, "Machine Unlearning", https://arxiv.org/abs/1912.03817',
    "reported": "none",
    "values": "ours",
    "needs": "its own training, the forget set's ids (`.dataset.rows`) and the images in memory (`.dataset.memory`)",
}

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from solutions.parts import sisa
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import Task

BATCHES = "tuple"  # it reads none, so either would do, and no dry call is needed


def train(task: Task, seed: int, data: Data, examples: Ids, *, shards: int = 5, slices: int = 5) -> sisa.Sisa:
    """An ensemble of `shards` networks, trained on the examples with those ids."""
    return sisa.train(task, seed, data, examples, shards, slices)


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    shards: int = 5,
    slices: int = 5,
) -> None:
    """Train again in `net` what the forget set has touched; the hyper-parameters say what `net` must be."""
    if not isinstance(net, sisa.Sisa):
        raise TypeError(f"SISA unlearns only the ensembles that it has trained itself, and this is a {type(net).__name__}")
    if (found := net.shape) != (shards, slices):
        raise ValueError(f"the ensemble has {found[0]} shards of {found[1]} slices, not {shards} of {slices}")
    dataset: Any = forget_loader.dataset
    seed = int(torch.randint(2**62, ()))
    net.forget(dataset.rows.numpy(), dataset.memory.images, dataset.memory.labels, seed)
