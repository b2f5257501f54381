"""UNSIR: train on noise that the network finds wrong for the forget classes, then repair on retain examples.

1. Noise: for each class of the forget set one batch of noise images, optimised (Adam, 40 steps) to maximise their
   cross-entropy for that class less 0.1 times their squared norm.
2. Impair: one epoch (Adam, 0.02) over 20 copies of the noise, each labelled with its class, and 1000 retain examples per class,
   shuffled together.
3. Repair: one epoch (Adam, 0.01) over those retain examples.

A class with fewer retain examples gives all that it has. They are drawn at random. The method is made for forgetting whole
classes. Where the forget set is a different one, such as a random one, all its classes count as forget classes; the retain
examples are still the retain loader's, including those of these classes. On a small retain set most examples of the second step
are noise, and one short epoch repairs little.

Where the source is silent, these decisions are ours. Noise is drawn and penalised in units of the images, so that it suits
images of any scale: z is standard normal at first, the network sees mean + std·z with each channel's mean and standard
deviation over the forget set, and the norm is that of z. There are as many noise images of a class as the forget loader's
batches have examples. They are found in eval mode.

In the published code all noise has the label 0, whichever classes are forgotten; here each has its own.
"""

METADATA = {
    "family": "classic",
    "source": 'Tarun et al. 2021, "Fast Yet Effective Machine Unlearning", https://arxiv.org/abs/2111.08947',
    "reported": "0.5972 (NoMUS on the MUFAC face-age benchmark of ndb796/MachineUnlearning, where retraining has 0.6995)",
    "values": "published",
    "needs": "the forget set's classes and scale, and part of the retain set (`.dataset`)",
}

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from solutions.parts.batches import batches, in_order
from solutions.parts.training import train_epoch, training_only

SEARCH_SPACE = {
    "noise_steps": (1, 40),
    "impair_learning_rate": (1e-4, 0.1, "log"),
    "repair_learning_rate": (1e-4, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    noise_steps: int = 40,
    noise_learning_rate: float = 0.1,
    noise_penalty: float = 0.1,
    noise_copies: int = 20,
    retain_per_class: int = 1000,
    impair_learning_rate: float = 0.02,
    repair_learning_rate: float = 0.01,
) -> None:
    """Unlearn `net` in place."""
    noise = wrong_noise(net, forget_loader, noise_steps, noise_learning_rate, noise_penalty)
    retain = some_of_each_class(retain_loader, net, retain_per_class)
    net.train()
    one_epoch(net, ConcatDataset([noise] * noise_copies + [retain]), retain_loader.batch_size, impair_learning_rate)
    one_epoch(net, retain, retain_loader.batch_size, repair_learning_rate)
    net.eval()


def wrong_noise(
    net: nn.Module, forget_loader: DataLoader[Any], steps: int, learning_rate: float, penalty: float
) -> Dataset[Any]:
    """For each class of the forget set a batch of images that the network finds wrong for it, labelled with it."""
    images, labels = (torch.cat(parts) for parts in zip(*batches(in_order(forget_loader), net), strict=True))
    std, mean = torch.std_mean(images, dim=(0, 2, 3), keepdim=True)
    size = torch.Size((forget_loader.batch_size or len(images), *images.shape[1:]))
    net.eval()
    sets = []
    for label in labels.unique():
        noise = torch.randn(size, dtype=images.dtype, device=images.device).requires_grad_()
        own = label.expand(len(noise))
        optimiser = torch.optim.Adam([noise], lr=learning_rate)
        with training_only(net, []):
            for _ in range(steps):
                optimiser.zero_grad()
                (-goodness(net, mean + std * noise, noise, own, penalty)).backward()
                optimiser.step()
        sets.append(TensorDataset((mean + std * noise.detach()).cpu(), own.cpu()))
    return ConcatDataset(sets)


def goodness(net: nn.Module, images: Tensor, noise: Tensor, labels: Tensor, penalty: float) -> Tensor:
    """What noise is to maximise: cross-entropy less a penalty on its squared norm, the mean over a batch."""
    return F.cross_entropy(net(images), labels) - penalty * noise.square().flatten(1).sum(dim=1).mean()


def some_of_each_class(loader: DataLoader[Any], net: nn.Module, per_class: int) -> Dataset[Any]:
    """Randomly drawn examples of each class, at most `per_class`."""
    labels = torch.cat([labels for _, labels in batches(in_order(loader), net)]).cpu()
    shuffled = torch.randperm(len(labels))
    chosen = [shuffled[labels[shuffled] == label][:per_class] for label in labels.unique()]
    return Subset(loader.dataset, torch.cat(chosen).tolist())


def one_epoch(net: nn.Module, dataset: Dataset[Any], batch_size: int | None, learning_rate: float) -> None:
    """One epoch of cross-entropy with an optimiser of its own."""
    loader = DataLoader(dataset, batch_size, shuffle=True, collate_fn=pairs)
    train_epoch(net, loader, torch.optim.Adam(net.parameters(), lr=learning_rate))


def pairs(examples: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """A batch of images and labels, of noise and of a data set of either kit."""
    both = [(each["image"], each["age_group"]) if isinstance(each, dict) else each for each in examples]
    return torch.stack([image for image, _ in both]), torch.tensor([int(label) for _, label in both])
