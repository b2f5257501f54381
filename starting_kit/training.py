"""Training from scratch: one recipe, one loop, K networks at once."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from starting_kit.errors import first_line
from starting_kit.lockstep.stacking import Mapped, NotStackableError, check_stackable, stack, unstack
from starting_kit.networks import build
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine, Recipe, Task

SHIFT = 4  # pixels, as in the CIFAR kit's RandomCrop(32, padding=4)
LARGE = 10**6  # weights; a ResNet-18 has 11 million, and several trained as one are slower (docs/performance.md)
TOGETHER: dict[str, Callable[[Sequence[nn.Module]], nn.Module]] = {"grouped": stack, "mapped": Mapped}


class AdamInStorageOrder(Adam):
    """Adam by torch's fused kernel, which copies weights and gradients that are channels last, given views that are not.

    A third of a training step of deep, thin networks was copies (docs/performance.md). The numbers are those of fused Adam.

    Args:
        network: whose weights are trained; they must keep their memory format.
        lr, weight_decay: as usual.
    """

    def __init__(self, network: nn.Module, lr: float, weight_decay: float) -> None:
        self.weights = list(network.parameters())
        self.orders = [storage_order(weight) for weight in self.weights]
        views = [weight.detach().permute(order) for weight, order in zip(self.weights, self.orders, strict=True)]
        super().__init__(views, lr, weight_decay=weight_decay, fused=True)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.weights:
            weight.grad = None

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closures here
        for weight, order, view in zip(self.weights, self.orders, self.param_groups[0]["params"], strict=True):
            view.grad = None if weight.grad is None else weight.grad.permute(order)
        super().step()


def storage_order(tensor: torch.Tensor) -> list[int]:
    """A tensor's axes, in the order in which it lies in memory."""
    return sorted(range(tensor.dim()), key=tensor.stride, reverse=True)


def optimiser_and_schedule(recipe: Recipe, network: nn.Module, examples: int) -> tuple[Optimizer, LRScheduler]:
    """A recipe's optimiser for a network, and its learning rate schedule, to be stepped after every batch.

    Args:
        recipe: of the task.
        network: whose weights are trained.
        examples: size of the training set; with the batch size it gives the number of steps.
    """
    rate, decay = recipe.peak_learning_rate, recipe.weight_decay
    steps = recipe.epochs * -(-examples // recipe.batch_size)
    if recipe.kind == "adam":
        adam = AdamInStorageOrder(network, lr=rate, weight_decay=decay)
        return adam, CosineAnnealingLR(adam, T_max=steps)
    sgd = SGD(network.parameters(), lr=rate, momentum=recipe.momentum, weight_decay=decay, nesterov=True)
    return sgd, OneCycleLR(sgd, rate, total_steps=steps, cycle_momentum=False)


def loss_of(logits: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor | None, networks: int) -> torch.Tensor:
    """The mean over networks of each network's cross-entropy; `lockstep.stacking` makes its gradients each network's own.

    Args:
        logits: [networks · batch, classes].
        labels: [networks · batch].
        class_weights: [classes], weights of examples in the mean over their network's batch; None if all count the same.
        networks: how many.
    """
    if class_weights is None:
        return F.cross_entropy(logits, labels)
    weights = class_weights[labels].view(networks, -1)
    losses = F.cross_entropy(logits, labels, reduction="none").view(networks, -1)
    return ((weights * losses).sum(dim=1) / weights.sum(dim=1)).mean()


def augmented(images: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Images mirrored with probability one half and shifted by up to `SHIFT` pixels each way, padded with black.

    Args:
        images: [networks · batch, channels, height, width], pixels as the source gives them.
        generators: one per network, from which the augmentation of its images is drawn.
    """
    height, width = images.shape[2:]
    batch = len(images) // len(generators)
    moves = torch.cat([torch.randint(2 * SHIFT + 1, (batch, 2), generator=generator) for generator in generators])
    mirrored = torch.cat([torch.rand(batch, generator=generator) < 0.5 for generator in generators])
    rows = moves[:, :1] + torch.arange(height)
    columns = moves[:, 1:] + torch.arange(width)
    columns[mirrored] = columns[mirrored].flip(1)
    which = torch.arange(len(images))[:, None, None]
    return F.pad(images, [SHIFT] * 4)[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def usable_engine(task: Task) -> tuple[Engine, str | None]:
    """The task's engine, or the next best where it does not support the task's network; and if so, why.

    Grouped falls back to mapped, mapped to single. Large networks are trained one at a time.
    """
    engine, reasons = task.engine, []
    if sum(weight.numel() for weight in build(task, seed=0).parameters()) > LARGE:
        return ONE_AT_A_TIME, None
    if engine.kind == "grouped":
        try:
            check_stackable(build(task, seed=0))
        except NotStackableError as error:
            engine = dataclasses.replace(engine, kind="mapped")
            reasons.append(f"{error}, so its networks are trained by torch.func.vmap")
    if engine.kind == "mapped":
        try:
            Mapped([build(task, seed) for seed in (0, 1)])(torch.zeros(4, *task.image_shape))
        except Exception as error:  # vmap's refusals have many types
            engine = ONE_AT_A_TIME
            reasons.append(f"torch.func.vmap cannot map it ({first_line(error)}), so they are trained one at a time")
    return engine, f"{task.network}: {'; '.join(reasons)}. This takes longer." if reasons else None


def train(
    task: Task,
    data: Data,
    examples: NDArray[np.int64],
    seeds: Sequence[int],
    engine: Engine | None = None,
    device: str = "cpu",
) -> list[nn.Module]:
    """Train one network per seed on the same examples.

    A seed determines its network's initial weights, data order and augmentation, whatever the other seeds are; in float64 the
    network agrees with one trained alone to about 1e-13. In float32, rounding depends on how many are trained at once, so a
    population trains a fixed number at a time.

    Args:
        task: gives network and recipe.
        data: of the task.
        examples: ids of the examples to train on.
        seeds: one per network, in [0, 2**63).
        engine: how to train; the task's own by default.
        device: where images, orders and networks are during training. "cuda" trains in bfloat16 (autocast), channels last.

    Returns:
        The trained networks in eval mode on the CPU, in the order of the seeds.
    """
    engine = engine or task.engine
    images = torch.from_numpy(data.images).to(device)
    labels = torch.from_numpy(data.labels).to(device)
    ids = torch.from_numpy(examples)
    at_once = 1 if engine.kind == "single" else engine.members
    trained = []
    for first in range(0, len(seeds), at_once):
        trained += _train_together(task, images, labels, ids, seeds[first : first + at_once], engine)
    return trained


def train_further(
    task: Task, network: nn.Module, images: torch.Tensor, labels: torch.Tensor, ids: torch.Tensor, seed: int
) -> nn.Module:
    """Train one network from its present weights, with a fresh optimiser and the task's recipe from its first step.

    Args:
        task: gives the recipe.
        network: is changed in place.
        images: of all examples of the task, [examples, channels, height, width].
        labels: of the same examples, [examples].
        ids: of the examples to train on, int64, at least one.
        seed: of data order and augmentation.

    Returns:
        The same network, in eval mode.
    """
    return _train_members(task, [network], images, labels, ids, [seed], ONE_AT_A_TIME)[0]


def _train_together(
    task: Task, images: torch.Tensor, labels: torch.Tensor, ids: torch.Tensor, seeds: Sequence[int], engine: Engine
) -> list[nn.Module]:
    return _train_members(task, [build(task, seed) for seed in seeds], images, labels, ids, seeds, engine)


def _train_members(
    task: Task,
    members: list[nn.Module],
    images: torch.Tensor,
    labels: torch.Tensor,
    ids: torch.Tensor,
    seeds: Sequence[int],
    engine: Engine,
) -> list[nn.Module]:
    recipe = task.recipe
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    network = members[0] if len(members) == 1 else TOGETHER[engine.kind](members)
    network.train().to(images.device)
    if images.is_cuda and len(members) == 1:  # stacked networks either are channels last already or cannot be
        network.to(memory_format=torch.channels_last)
    optimiser, schedule = optimiser_and_schedule(recipe, network, examples=len(ids))
    bfloat16 = torch.autocast("cuda", torch.bfloat16) if images.is_cuda else contextlib.nullcontext()
    class_weights = (
        1 / labels[ids.to(labels.device)].bincount(minlength=task.classes).clamp_min(1) if recipe.class_weights else None
    )
    for _ in range(recipe.epochs):
        orders = [torch.randperm(len(ids), generator=generator) for generator in generators]
        shuffled = ids[torch.stack(orders)].to(images.device)
        for batch in shuffled.split(recipe.batch_size, dim=1):  # [networks, batch]
            if batch.shape[1] == 1 < recipe.batch_size:
                continue  # the epoch's last batch is one example, of which batch-norm cannot always take the deviation
            rows = batch.flatten()
            optimiser.zero_grad()
            pixels = augmented(images[rows], generators) if recipe.augment else images[rows]
            with bfloat16:
                logits = network(pixels.to(torch.get_default_dtype()))
                loss = loss_of(logits, labels[rows], class_weights, len(members))
            loss.backward()
            optimiser.step()
            schedule.step()
    if network is not members[0]:
        unstack(network, members)
    return [member.cpu().to(memory_format=torch.contiguous_format).eval() for member in members]
