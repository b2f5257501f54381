"""One recipe, one loop; trains K networks at once."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from starting_kit.lockstep import Stacked
from starting_kit.networks import build
from starting_kit.tasks import Data, Recipe, Task


def optimiser_and_schedule(recipe: Recipe, network: nn.Module, examples: int) -> tuple[SGD, OneCycleLR]:
    """A recipe's optimiser for a network, and its learning rate, to be stepped after every batch.

    Args:
        recipe: of the task.
        network: whose weights are trained.
        examples: how many are trained on, which with the batch size gives the number of steps.
    """
    optimiser = SGD(
        network.parameters(),
        lr=recipe.peak_learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    steps = recipe.epochs * -(-examples // recipe.batch_size)
    return optimiser, OneCycleLR(optimiser, recipe.peak_learning_rate, total_steps=steps, cycle_momentum=False)


def train(task: Task, data: Data, examples: NDArray[np.int64], seeds: Sequence[int]) -> list[nn.Module]:
    """Train one network per seed on the same examples.

    A seed determines its network's initial weights and the order of its data, whatever the other seeds are; in float64
    the network agrees with one trained alone to about 1e-13. In float32 rounding depends on how many are trained at once,
    so a population trains a fixed number at a time.

    Args:
        task: gives network and recipe.
        data: of the task.
        examples: ids of the examples to train on.
        seeds: one per network, in [0, 2**63).

    Returns:
        The trained networks in eval mode, in the order of the seeds.
    """
    recipe = task.recipe
    images = torch.from_numpy(data.images).to(torch.get_default_dtype())
    labels = torch.from_numpy(data.labels)
    ids = torch.from_numpy(examples)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    networks = Stacked([build(task, seed) for seed in seeds]).train()
    optimiser, schedule = optimiser_and_schedule(recipe, networks, examples=len(ids))
    for _ in range(recipe.epochs):
        shuffled = torch.stack([ids[torch.randperm(len(ids), generator=order)] for order in orders])
        for batch in shuffled.split(recipe.batch_size, dim=1):  # [networks, batch]
            logits = networks(images[batch])
            # The sum over networks of each one's mean: every network gets the gradient it would get alone.
            loss = F.cross_entropy(logits.flatten(0, 1), labels[batch].flatten()) * len(seeds)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return [network.eval() for network in networks.unstack()]
