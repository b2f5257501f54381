"""What several solutions share, and nothing else.

A solution may be run for several models in lockstep, as one network that holds them all: its weights are the models' weights
one after another along their first axis, and so are its batches. Code that takes the models apart goes through `by_member`.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

Batch = tuple[Tensor, Tensor]  # images [batch, channels, height, width] and labels [batch]
Loss = Callable[[Tensor, Tensor], Tensor]
CONTAINERS = (nn.Sequential, nn.ModuleList)
NORMALISATION = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


# --- batches


def unpack(batch: Any, net: nn.Module) -> Batch:
    """Images and labels of a batch of either kit, on the network's device.

    Args:
        batch: `(images, labels)` or the Kaggle kit's dict with `image` and `age_group`.
        net: the network that is to see them.

    Returns:
        images [batch, channels, height, width] and labels [batch].
    """
    images, labels = (batch["image"], batch["age_group"]) if isinstance(batch, dict) else batch
    device = next(net.parameters()).device
    return images.to(device), labels.to(device)


def batches(loader: Iterable[Any], net: nn.Module) -> Iterator[Batch]:
    """Images and labels of every batch, on the network's device."""
    return (unpack(batch, net) for batch in loader)


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    """The loader's batches, epoch after epoch, shuffled anew each time."""
    while True:
        yield from loader


def rebatch(loader: DataLoader, batch_size: int) -> DataLoader:
    """A shuffled loader on the same examples with another batch size."""
    return DataLoader(loader.dataset, batch_size=batch_size, shuffle=True)


def in_order(loader: DataLoader) -> DataLoader:
    """A loader on the same examples in the order of the data set, example 0 first."""
    return DataLoader(loader.dataset, batch_size=loader.batch_size)


def draw_examples(net: nn.Module, loader: DataLoader, number: int) -> Iterator[Batch]:
    """Batches of that many examples, drawn at random without replacement; of all examples where there are fewer."""
    for images, labels in batches(rebatch(loader, loader.batch_size or 1), net):
        yield images[:number], labels[:number]
        number -= len(images)
        if number <= 0:
            return


class Relabelled(Dataset[Any]):
    """The examples of a data set with other labels.

    Args:
        dataset: of either kit.
        labels: [examples], in the order of the data set.
    """

    def __init__(self, dataset: Dataset[Any], labels: Tensor) -> None:
        self.dataset, self.labels = dataset, labels.cpu()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        example = self.dataset[index]
        label: Any = self.labels[index]
        own = example["age_group"] if isinstance(example, dict) else example[1]
        if not isinstance(own, Tensor):  # a batch with other examples of the data set cannot mix numbers and tensors
            label = label.item()
        return {**example, "age_group": label} if isinstance(example, dict) else (example[0], label)


@dataclass(frozen=True)
class Facts:
    """What a solution may know that makes its images up.

    Attributes:
        image_shape: channels, height, width.
        forget: the classes of the forget set, ascending.
        retain: the other classes of the retain set, ascending.
        mean, std: of each channel's pixel values, [channels, 1, 1], on the network's device and in its type.
        pixel_range: the least and the greatest value that a pixel can have.
    """

    image_shape: tuple[int, int, int]
    forget: tuple[int, ...]
    retain: tuple[int, ...]
    mean: Tensor
    std: Tensor
    pixel_range: tuple[float, float]

    def pixels(self, normalised: Tensor) -> Tensor:
        """Images of mean 0 and deviation 1 in pixel values, both [images, channels, height, width]."""
        return self.mean + self.std * normalised

    def normalised_range(self) -> tuple[Tensor, Tensor]:
        """The least and the greatest value of a normalised pixel, [channels, 1, 1] each."""
        least, greatest = ((value - self.mean) / self.std for value in self.pixel_range)
        return least, greatest


def facts(net: nn.Module, retain_loader: DataLoader, forget_loader: DataLoader) -> Facts:
    """What the loaders tell without giving an example away; of loaders that tell nothing the examples are looked at.

    Raises:
        ValueError: every class is in the forget set.
    """
    retain, forget = (_told(loader) or _looked_at(loader, net) for loader in (retain_loader, forget_loader))
    image_shape, classes, *scale, pixel_range = retain
    if not set(classes) - set(forget[1]):
        raise ValueError("every class is in the forget set, but this forgets whole classes: use --forget class:ID")
    weight = next(net.parameters())
    mean, std = (weight.new_tensor(values).view(-1, 1, 1) for values in scale)
    return Facts(image_shape, forget[1], tuple(c for c in classes if c not in forget[1]), mean, std, pixel_range)


def _told(loader: DataLoader) -> tuple[Any, ...] | None:
    """Image shape, classes, mean, deviation and range that a data set tells of itself, None if it does not."""
    names = ("image_shape", "classes", "pixel_mean", "pixel_std", "pixel_range")
    dataset = loader.dataset
    return tuple(getattr(dataset, name) for name in names) if all(hasattr(dataset, name) for name in names) else None


def _looked_at(loader: DataLoader, net: nn.Module) -> tuple[Any, ...]:
    """The same, from the examples."""
    images, labels = (torch.cat(parts) for parts in zip(*batches(in_order(loader), net), strict=True))
    std, mean = torch.std_mean(images, dim=(0, 2, 3))
    ends = images.min().item(), images.max().item()
    return tuple(images.shape[1:]), tuple(labels.unique().tolist()), mean.tolist(), std.tolist(), ends


def number_of_classes(net: nn.Module, loader: Iterable[Any]) -> int:
    """The number of a network's logits, found by showing it a batch. Leaves it in eval mode."""
    net.eval()
    images, _ = next(batches(loader, net))
    with torch.no_grad():
        return net(images).shape[1]


# --- training


def sgd(net: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.SGD:
    """SGD with the momentum that every winner used, 0.9; weights without a gradient stay as they are."""
    return torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9, weight_decay=weight_decay)


def train_epoch(net: nn.Module, loader: Iterable[Any], optimiser: Optimizer, loss: Loss = F.cross_entropy) -> None:
    """One epoch that descends a loss of logits [batch, classes] and labels [batch]; cross-entropy by default."""
    for images, labels in batches(loader, net):
        optimiser.zero_grad()
        loss(net(images), labels).backward()
        optimiser.step()


def train(net: nn.Module, loader: Iterable[Any], epochs: int, learning_rate: float, weight_decay: float) -> None:
    """Epochs of cross-entropy in train mode at a constant learning rate."""
    optimiser = sgd(net, learning_rate, weight_decay)
    net.train()
    for _ in range(epochs):
        train_epoch(net, loader, optimiser)


def distillation(logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher‖student) of predictions at a temperature T, times T², the mean over a batch.

    Source: Hinton et al. 2015, https://arxiv.org/abs/1503.02531.
    """
    log_p, log_q = ((z / temperature).log_softmax(dim=1) for z in (logits, teacher_logits))
    return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * temperature**2


def frozen_copy(net: nn.Module) -> nn.Module:
    """A copy in eval mode without gradients: the teacher of a distillation."""
    return copy.deepcopy(net).eval().requires_grad_(False)


@contextmanager
def training_only(net: nn.Module, weights: Iterable[Tensor]) -> Iterator[None]:
    """For this long only these weights of the network have gradients; afterwards `requires_grad` is what it was."""
    chosen = {id(weight) for weight in weights}
    before = [(weight, weight.requires_grad) for weight in net.parameters()]
    for weight, trains in before:
        weight.requires_grad_(trains and id(weight) in chosen)
    try:
        yield
    finally:
        for weight, trains in before:
            weight.requires_grad_(trains)


def confine(optimiser: Optimizer, masks: dict[nn.Parameter, Tensor]) -> None:
    """Let an optimiser change nothing but the masked elements of some weights.

    Masking gradients is not enough: weight decay and momentum move a weight whose gradient is 0. So after each step the other
    elements get back the values that they have now.

    Args:
        optimiser: of the weights.
        masks: for each weight a boolean tensor of its shape, True where it may change.
    """
    kept = {weight: weight.detach().clone() for weight in masks}

    def put_back(*_: Any) -> None:
        with torch.no_grad():
            for weight, mask in masks.items():
                weight.copy_(torch.where(mask, weight, kept[weight]))

    optimiser.register_step_post_hook(put_back)


# --- the parts of a network, found through its module tree


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    """All convolutions, in the order in which the network defines them."""
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def stem(net: nn.Module) -> nn.Conv2d | nn.Linear:
    """The first convolution or linear layer: the one that sees the images."""
    return next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear))


def head(net: nn.Module) -> nn.Conv2d | nn.Linear:
    """The last convolution or linear layer: the one that gives the classes."""
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)][-1]


def blocks(net: nn.Module) -> list[nn.ModuleList]:
    """The parts of a network from stem to head, each with the normalisation layers that follow it.

    Opened are containers (`nn.Sequential`, `nn.ModuleList`) and modules around a container of like modules (a transformer's
    encoder, a stage); others are not: a residual block or a transformer layer is one part. A torchvision ResNet-18 has ten: the
    stem, eight residual blocks, the head.
    """
    trunk = net
    while len(children := _children_with_weights(trunk)) == 1 and _children_with_weights(children[0]):
        trunk = children[0]
    parts: list[list[nn.Module]] = []
    for module in _opened(trunk):
        if parts and isinstance(module, NORMALISATION):
            parts[-1].append(module)
        else:
            parts.append([module])
    return [nn.ModuleList(part) for part in parts]


def normalisation_weights(net: nn.Module) -> set[nn.Parameter]:
    """Weights and biases of all normalisation layers, known by their type: not every batch-norm has "bn" in its name."""
    return {weight for layer in net.modules() if isinstance(layer, NORMALISATION) for weight in layer.parameters()}


def _children_with_weights(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if any(True for _ in child.parameters())]


def _opened(module: nn.Module) -> Iterator[nn.Module]:
    for child in _children_with_weights(module):
        if isinstance(child, CONTAINERS) or any(_repeats_a_module(inner) for inner in child.children()):
            yield from _opened(child)
        else:
            yield child


def _repeats_a_module(module: nn.Module) -> bool:
    """Whether this is a container of several modules of one class, which are no single layers."""
    children = list(module.children()) if isinstance(module, CONTAINERS) else []
    like = len(children) > 1 and len({type(child) for child in children}) == 1
    return like and not isinstance(children[0], CONTAINERS) and bool(_children_with_weights(children[0]))


# --- new weights


def reinitialise(module: nn.Module) -> None:
    """Draw the weights of all layers of a module anew, as they were drawn before training."""
    for layer in module.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()


@torch.no_grad()
def add_noise(weights: Iterable[Tensor], std: float) -> None:
    """Add normal noise of a standard deviation to weights, in place."""
    for weight in weights:
        weight.add_(torch.randn_like(weight), alpha=std)


def uniform_by_fan_in(weight: Tensor) -> Tensor:
    """New values for a weight [outputs, inputs, ...]: uniform within ±1/√fan-in, torch's own for new layers."""
    return (2 * torch.rand_like(weight) - 1) / weight[0].numel() ** 0.5


def kaiming_normal(weight: Tensor, net: nn.Module) -> Tensor:
    """New values for a weight of at least two dimensions: normal, variance 2/fan-out (He et al. 2015, https://arxiv.org/abs/1502.01852).

    Args:
        weight: [outputs, inputs, ...], gives the shape.
        net: the network it belongs to.
    """
    fan_out = by_member(weight, net).shape[1] * weight[0, 0].numel()
    return torch.randn_like(weight) * (2 / fan_out) ** 0.5


def smallest(scores: Sequence[Tensor], fraction: float, net: nn.Module) -> list[Tensor]:
    """Where the smallest values of several tensors, taken together, are.

    Args:
        scores: one per weight, each of its weight's shape.
        fraction: of all values, in [0, 1].
        net: the network that the weights belong to.

    Returns:
        Boolean tensors of the scores' shapes; round(fraction · values) elements are True in all of them together.
    """
    values = torch.cat([by_member(score, net).flatten(1) for score in scores], dim=1)  # [models, values]
    indices = values.topk(round(fraction * values.shape[1]), dim=1, largest=False).indices
    chosen = torch.zeros_like(values, dtype=torch.bool).scatter_(1, indices, True)
    sizes = [score.numel() // len(values) for score in scores]
    return [part.reshape(score.shape) for part, score in zip(chosen.split(sizes, dim=1), scores, strict=True)]


# --- gradients


def trainable(net: nn.Module) -> list[nn.Parameter]:
    """The weights that have gradients."""
    return [weight for weight in net.parameters() if weight.requires_grad]


def batch_gradients(net: nn.Module, loader: Iterable[Any], loss: Loss = F.cross_entropy) -> Iterator[list[Tensor]]:
    """For each batch the loss's gradient with respect to each of `trainable(net)`.

    The network is used in the mode it is in: train mode moves the statistics of batch-norm layers.
    """
    weights = trainable(net)
    for images, labels in batches(loader, net):
        yield list(torch.autograd.grad(loss(net(images), labels), weights, allow_unused=True, materialize_grads=True))


def summed_gradients(net: nn.Module, loader: Iterable[Any], loss: Loss = F.cross_entropy) -> list[Tensor]:
    """The sum of `batch_gradients`: what `backward` on every batch would accumulate."""
    totals = [torch.zeros_like(weight) for weight in trainable(net)]
    for gradients in batch_gradients(net, loader, loss):
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient
    return totals


def per_example_gradients(net: nn.Module, images: Tensor, labels: Tensor, loss: Loss = F.cross_entropy) -> list[Tensor]:
    """For each of `trainable(net)` the gradients of every example's own loss, [examples, *weight.shape].

    Takes examples times the memory of the weights. The network must be in eval mode: batch-norm mixes the examples of a batch.

    Args:
        net: the network.
        images: [examples, channels, height, width].
        labels: [examples], whatever the loss wants of an example.
        loss: of logits [1, classes] and labels [1].
    """
    names = [name for name, weight in net.named_parameters() if weight.requires_grad]
    weights = dict(zip(names, (weight.detach() for weight in trainable(net)), strict=True))

    def own_loss(weights: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return loss(functional_call(net, weights, (image[None],)), label[None])

    gradients = vmap(grad(own_loss), in_dims=(None, 0, 0))(weights, images, labels)
    return [gradients[name] for name in names]


# --- lockstep


def by_member(outputs: Tensor, net: nn.Module) -> Tensor:
    """A batch of outputs, or a weight, [K·B, ...] as [K, B, ...]: for what concerns the examples or the elements of one model.

    K is the number of models that run in lockstep; 1 for an ordinary network.
    """
    return outputs.unflatten(0, (getattr(net, "members", 1), -1))
