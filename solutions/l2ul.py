"""L2UL: ascend until every forget example is wrong; adversarial images and a pull on unimportant weights keep the rest.

1. Attack: every forget image becomes 20 adversarial images, each of which the network is to take for a class other than the
   label, drawn at random. From a random image, pulled into a ball of radius ε around the forget image, 100 steps of length ε/40
   go down the cross-entropy with that class and stay in the ball. Network in eval mode, pixels cut to their range.
2. Importance of every weight to the forget set: the absolute gradient of the mean length of the logits, ‖f(x)‖, of each forget
   batch in train mode, summed over batches. In every tensor of weights it is brought to [0, 1]; Ω is 1 less that.
3. Until the network is wrong on all forget examples in eval mode, which is looked at before every step, or 10 epochs of the
   adversarial images have passed: a batch of 256 of these and one of 32 forget examples give the loss
   b/(a + b)·CE(adversarial) - a/(a + b)·CE(forget) + λ/2·Σ Ω·(θ - θ₀)², with a forget examples and b adversarial images in the
   batches and λ = 1. The cross-entropy of the forget examples is ascended, the other one descended; θ₀ are the weights of the
   original. SGD with momentum at 0.001, weight decay 1e-4.

The retain set is not looked at: the adversarial images lie on the other side of the decision boundary and hold it where it is.

Values: published, in `run_unlearn_cifar_imagenet.sh`, `main_unlearn_cifar10_mixed_label_resnet18.py` and `utils.py` of the
authors, for a ResNet-18 on CIFAR-10, but for ε and the epochs. ε is 4 there, for images of 3·32·32 values between 0 and 1: a
root mean square of 0.072. It is carried over as that, in units of the range of the forget set's pixels. The 10 epochs are ours:
the code goes on for 1,000, with at most a few hundred of 50,000 examples to forget. On digits, where they are a fifth of the
training data, the loss comes to rest before they are wrong; with a larger rate and less regularisation all get wrong, and
little is left of the network.

Departures: the code lets a class that happens to be the label be the one in the middle, which may be the label again; here all
other classes are equally likely. It shows the batches in one order, here they are shuffled. The paper also has a variant that
gives the forget examples other labels instead of ascending.
"""

METADATA = {
    "family": "classic",
    "source": "Cha et al., AAAI 2024, https://arxiv.org/abs/2301.11578; code csm9493/L2UL",
    "reported": "none for the competition's metric",
    "values": "published; carried over: radius; ours: most_epochs",
    "needs": "the forget set in batches of another size (`.dataset`), gradients with respect to images",
    "published_steps": 0,  # as many as there are adversarial images; the retain set is not used
}

import copy
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from solutions.parts.adversarial import ascent, pixel_limits, within
from solutions.parts.batches import Batch, batches, endless, in_order, rebatch
from solutions.parts.gradients import batch_gradients
from solutions.parts.training import sgd
from solutions.parts.weights import trainable

LOCKSTEP = False  # a run ends when its own forget examples are wrong
STEP = 1 / 40  # of the radius

SEARCH_SPACE = {
    "copies": (4, 20),
    "radius": (0.02, 0.5, "log"),
    "most_epochs": (2, 20),
    "learning_rate": (1e-4, 0.1, "log"),
    "regularisation": (1e-3, 10.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    copies: int = 20,
    radius: float = 4 / 3072**0.5,
    attack_steps: int = 100,
    most_epochs: int = 10,
    learning_rate: float = 1e-3,
    regularisation: float = 1.0,
    batch_size: int = 256,
    forget_batch_size: int = 32,
    weight_decay: float = 1e-4,
) -> None:
    """Unlearn `net` in place."""
    examples = list(batches(in_order(forget_loader, batch_size), net))
    found = adversarial_images(net, examples, copies, radius, attack_steps)
    adversarial = DataLoader(found, batch_size=batch_size, shuffle=True)
    forget = rebatch(forget_loader, forget_batch_size)
    unimportance = unimportances(net, forget)
    start = [weight.detach().clone() for weight in trainable(net)]
    optimiser = sgd(net, learning_rate, weight_decay)
    pairs = zip(batches(endless(adversarial), net), batches(endless(forget), net), strict=False)
    for pair in islice(pairs, most_epochs * len(adversarial)):
        if all_wrong(net, examples):
            break
        net.train()
        optimiser.zero_grad()
        (loss(net, *pair) + regularisation / 2 * moved(net, start, unimportance)).backward()
        optimiser.step()
    net.eval()


def adversarial_images(net: nn.Module, examples: Sequence[Batch], copies: int, radius: float, steps: int) -> TensorDataset:
    """Adversarial images of some examples, with the classes that the network is to take them for.

    Args:
        net: is left in eval mode.
        examples: batches of images and labels.
        copies: adversarial images for each example.
        radius: of the balls around the examples, as a root mean square over pixels in units of their range.
        steps: of the descent.
    """
    net.eval()
    least, greatest = pixel_limits(examples)
    radius *= (greatest - least) * examples[0][0][0].numel() ** 0.5
    images, classes = [], []
    for own, labels in [*examples] * copies:
        wrong = other_classes(net, own, labels)
        images.append(attack(net, own, wrong, radius, steps, least, greatest))
        classes.append(wrong)
    return TensorDataset(torch.cat(images), torch.cat(classes))


@torch.no_grad()
def other_classes(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """For each label [examples] another class that the network has, drawn at random."""
    classes: int = net(images).shape[1]
    return (labels + torch.randint_like(labels, 1, classes)) % classes


def attack(net: nn.Module, images: Tensor, classes: Tensor, radius: float, steps: int, least: float, greatest: float) -> Tensor:
    """Images in balls around some images that the network takes for given classes, as far as the steps suffice.

    Args:
        net: in eval mode.
        images: [examples, channels, height, width].
        classes: [examples].
        radius: of the balls.
        steps: of the descent, each of length `STEP` times the radius.
        least: value of a pixel.
        greatest: value of a pixel.

    Returns:
        Images of the same shape.
    """
    near = within(least + (greatest - least) * torch.rand_like(images), images, radius)
    for _ in range(steps):
        directions, _ = ascent(net, near, classes)
        near = within(near - STEP * radius * directions, images, radius).clamp(least, greatest)
    return near


def unimportances(net: nn.Module, loader: Iterable[Any]) -> list[Tensor]:
    """For each of `trainable(net)` the Ω of its elements: 1 for the least important to a loader's examples, 0 for the most."""
    totals = [torch.zeros_like(weight) for weight in trainable(net)]
    for gradients in batch_gradients(copy.deepcopy(net).train(), loader, summed_lengths):  # batch-norm's statistics move
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient.abs()
    return [(total.max() - total) / (total.max() - total.min()).clamp_min(1e-12) for total in totals]


def summed_lengths(logits: Tensor, labels: Tensor) -> Tensor:
    """The Euclidean lengths of logits [batch, classes], summed over the batch; labels are not looked at."""
    lengths: Tensor = logits.norm(dim=1)
    return lengths.sum()


@torch.no_grad()
def all_wrong(net: nn.Module, examples: Iterable[Batch]) -> bool:
    """Whether a network, which is left in eval mode, predicts the label of none of some examples."""
    net.eval()
    return not any((net(images).argmax(dim=1) == labels).any() for images, labels in examples)


def loss(net: nn.Module, adversarial: Batch, forget: Batch) -> Tensor:
    """The cross-entropy of adversarial images less that of forget examples, each times its share of both batches."""
    share = len(forget[1]) / (len(forget[1]) + len(adversarial[1]))
    kept, lost = (F.cross_entropy(net(images), labels) for images, labels in (adversarial, forget))
    return (1 - share) * kept - share * lost


def moved(net: nn.Module, start: Sequence[Tensor], unimportance: Sequence[Tensor]) -> Tensor:
    """Σ Ω·(θ - θ₀)², over all of `trainable(net)`."""
    own = zip(trainable(net), start, unimportance, strict=True)
    return torch.stack([(omega * (weight - before).square()).sum() for weight, before, omega in own]).sum()
