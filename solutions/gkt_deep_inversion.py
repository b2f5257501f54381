"""GKT with Deep Inversion: a fresh network learns the other classes from images inverted from the original one.

1. Invert the network (`deep_inversion`): 100 images of every class of the retain set that is not to be forgotten.
2. Draw its weights anew.
3. Train it on these images and what the original says of them with cross-entropy: 50 epochs (Adam, 0.001, weight decay 1e-4,
   gradients clipped at 0.1, element by element). Forget classes are left out of what it says, and every batch is shifted as
   images were while they were made: by a sixteenth of their side at most.

Values: the third step's are the report's (`GKT + Deep Inversion.ipynb`), the number of images the smaller of its two (60
batches of 1000 images of ten classes give the other); how they are made is told in `deep_inversion`.

No image is of a forget class, so nothing is relearnt and nothing stopped early. The report trains on the classes that images
were made for (`soft_labels=False`), and does not shift them. Yin et al. teach by what the original says; it matters here,
because in 200 iterations images come to resemble the training images more than their class: the original sees it in half of
them. On MNIST without class 0 (All-CNN at an eighth of its width, one original, the same 900 images) accuracy on the other
classes was 21 % with classes as labels and no shifts, 72 % (after 30 epochs) with the original's words alone, 90 % with both.
"""

METADATA = {
    "family": "zero-shot",
    "source": (
        'SP1029/CS-772-Unlearning, https://github.com/SP1029/CS-772-Unlearning, after Chundawat et al. 2023, "Zero-Shot '
        'Machine Unlearning", https://arxiv.org/abs/2201.05629, and Yin et al. 2020, "Dreaming to Distill", '
        "https://arxiv.org/abs/1912.08795"
    ),
    "reported": (
        "40 to 50 % accuracy on the other classes with 100 images per class and 80 to 85 % with 6000, 0 % on the "
        "forgotten one (MNIST, All-CNN, class 0)"
    ),
    "values": "published; ours: iterations, statistics_weight, jitter, soft_labels",
    "needs": (
        "batch-norm statistics, layers that can be drawn anew, the classes to forget, the others, shape, scale and "
        "range of the images; no data"
    ),
    "published_steps": 0,
}

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from solutions.parts.data_spec import data_spec
from solutions.parts.deep_inversion import Settings, invert, shifted
from solutions.parts.training import train_epoch
from solutions.parts.weights import reinitialise

BATCHES = "tuple"
LOCKSTEP = False  # a batch's statistics are matched together
PICTURES_PER_CLASS = 8


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    per_class: int = 100,
    iterations: int = 200,
    statistics_weight: float = 10.0,
    jitter: float = 1 / 16,
    soft_labels: bool = True,
    epochs: int = 50,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    most_gradient: float = 0.1,
) -> None:
    """Unlearn `net` in place."""
    spec = data_spec(net, retain_loader, forget_loader)
    inversion = Settings(iterations=iterations, statistics_weight=statistics_weight, jitter=jitter)
    images, labels = invert(net, spec, spec.retain, per_class, inversion)
    targets = opinions(net, images, spec.forget) if soft_labels else labels
    reinitialise(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    optimiser.register_step_pre_hook(lambda *_: nn.utils.clip_grad_value_(net.parameters(), most_gradient))
    loader = shuffled(images, targets, retain_loader.batch_size or len(images))
    net.train()
    for _ in range(epochs):
        train_epoch(net, ((shifted(batch, jitter), wanted) for batch, wanted in loader), optimiser)
    net.eval()


def pictures(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], val_loader: DataLoader[Any], **values: Any
) -> Tensor:
    """Inverted images, a row for each class that is not to be forgotten, [classes, 8, channels, height, width]."""
    spec = data_spec(net, retain_loader, forget_loader)
    of_inversion = {name: value for name, value in values.items() if name in ("iterations", "statistics_weight", "jitter")}
    images, _ = invert(net, spec, spec.retain, PICTURES_PER_CLASS, Settings(**of_inversion))
    return images.view(PICTURES_PER_CLASS, -1, *spec.image_shape).transpose(0, 1)  # classes alternate


@torch.no_grad()
def opinions(net: nn.Module, images: Tensor, forget: Sequence[int]) -> Tensor:
    """A network's probabilities [images, classes], as if it did not know some classes."""
    logits = torch.cat([net(batch) for batch in images.split(256)])
    logits[:, list(forget)] = -torch.inf
    return logits.softmax(dim=1)


def shuffled(images: Tensor, targets: Tensor, batch_size: int) -> DataLoader[Any]:
    """A shuffled loader, without a rest of one image: batch-norm cannot always take the deviation of one."""
    return DataLoader(TensorDataset(images, targets), batch_size, shuffle=True, drop_last=len(images) % batch_size == 1)
