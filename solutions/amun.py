"""AMUN: learn, beside the training data, the nearest adversarial example of every forget example with its wrong label.

1. Attack: for every forget image the nearest one that the network takes for another class, by projected gradient ascent of the
   cross-entropy with steps of length ε/10 in a ball of radius ε: 50 steps, or fewer if the prediction changes. While it does
   not, ε doubles, from 0.04 on, and the ascent goes on from where it is. Network in eval mode, pixels cut to their range.
2. Fine-tune on all training data, retain and forget set with their own labels, and on the images found, labelled with what the
   network took them for: 10 epochs, SGD with momentum at 0.01, a tenth of that in the next epoch, and so on; batches of 128.

The images lie close to the forget examples, so what changes is the decision boundary around these; the own labels keep the
accuracy, the wrong ones the confidence down.

Values: all published, in `pgdl2_modified.py`, `adversarial_unlearn.py` and `hyperparam_tune.py` of the authors, for a ResNet-18
on CIFAR-10. ε is in units of the pixels' range there, [0, 1]; here of that of the forget set's pixels. The code also has a
variant without the forget set and one without the retain set.

Departure: a forget image that no image within the pixels' range deceives, as with a network that knows one class only, is left
out; the code would search for ever.
"""

METADATA = {
    "family": "classic",
    "source": "Ebrahimpour-Boroojeny et al., ICML 2025, https://arxiv.org/abs/2503.00917; code Ali-E/AMUN",
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the retain set and the forget set in batches of another size (`.dataset`), gradients with respect to images",
    "published_steps": 352,
    "published_batch_size": 128,
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from solutions.parts.adversarial import ascent, pixel_limits, within
from solutions.parts.batches import Relabelled, batches, in_order
from solutions.parts.training import sgd, train_epoch

STEP = 0.1  # of the radius

SEARCH_SPACE = {
    "epochs": (2, 12),
    "learning_rate": (1e-4, 1.0, "log"),
    "gamma": (0.05, 0.9),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    radius: float = 0.04,
    steps: int = 50,
    epochs: int = 10,
    learning_rate: float = 0.01,
    gamma: float = 0.1,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    found = adversarial(net, forget_loader, radius, steps)
    everything: ConcatDataset[Any] = ConcatDataset([retain_loader.dataset, forget_loader.dataset, found])
    loader = DataLoader(everything, batch_size=batch_size, shuffle=True)
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = StepLR(optimiser, step_size=1, gamma=gamma)
    net.train()
    for _ in range(epochs):
        train_epoch(net, loader, optimiser)
        schedule.step()
    net.eval()


class Redrawn(Dataset[Any]):
    """The examples of a data set with other images.

    Args:
        dataset: of either kit.
        images: [examples, channels, height, width], in the order of the data set.
    """

    def __init__(self, dataset: Dataset[Any], images: Tensor) -> None:
        self.dataset, self.images = dataset, images.cpu()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        example = self.dataset[index]
        return {**example, "image": self.images[index]} if isinstance(example, dict) else (self.images[index], example[1])


def adversarial(net: nn.Module, loader: DataLoader[Any], radius: float, steps: int) -> Subset[Any]:
    """The nearest adversarial examples of a loader's examples, labelled with what the network takes them for.

    Args:
        net: is left in eval mode.
        loader: of either kit.
        radius: the first to be tried, in units of the range of the pixels.
        steps: of the ascent within one radius, at most.
    """
    net.eval()
    originals = list(batches(in_order(loader), net))
    least, greatest = pixel_limits(originals)
    near = torch.cat([attack(net, *batch, radius, steps, least, greatest) for batch in originals])
    with torch.no_grad():
        taken_for = torch.cat([net(images).argmax(dim=1) for images in near.split(loader.batch_size or 1)])
    labels = torch.cat([labels for _, labels in originals])
    found = (taken_for != labels).nonzero().flatten().tolist()
    return Subset(Relabelled(Redrawn(loader.dataset, near), taken_for), found)


def attack(net: nn.Module, images: Tensor, labels: Tensor, radius: float, steps: int, least: float, greatest: float) -> Tensor:
    """For each image the nearest one that the network takes for another class than its label, as far as there is one.

    Args:
        net: in eval mode.
        images: [examples, channels, height, width].
        labels: [examples].
        radius: the first to be tried, in units of the range of the pixels.
        steps: of the ascent within one radius, at most.
        least: value of a pixel.
        greatest: value of a pixel.

    Returns:
        Images of the same shape, each within the first of the radii `radius`, 2·`radius`, ... that sufficed.
    """
    near, left = images.clone(), torch.arange(len(images), device=images.device)
    farthest = images[0].numel() ** 0.5  # from one corner of the cube of all images to another
    while len(left) and radius < 2 * farthest:
        for _ in range(steps):
            directions, deceived = ascent(net, near[left], labels[left])
            left, directions = left[~deceived], directions[~deceived]
            step = STEP * radius * (greatest - least) * directions
            near[left] = within(near[left] + step, images[left], radius * (greatest - least)).clamp(least, greatest)
        radius *= 2
    return near
