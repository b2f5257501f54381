"""2nd place: re-initialise where retain and forget gradients differ least, then fine-tune the rest slowly (MSG).

1. Compare, for the weights of convolutions, the cross-entropy gradients g_r on as many random retain examples as there are
   forget examples, and g_f on the forget set, each summed over its batches.
2. Re-initialise, in each convolution by itself, the 30 % of the weights where |g_r - g_f| is smallest: normal with variance
   2/fan-out.
3. Fine-tune: 5 epochs of cross-entropy on the retain set,
   a. with a learning rate that rises linearly from epoch to epoch until the middle and then falls: 1/3, 2/3, 1, 2/3, 1/3 of
      0.001; for an even number of epochs the fall is the longer part, 1/2, 1, 2/3, 1/3 for four;
   b. with a tenth of the gradient for those weights of convolutions that were not re-initialised.

Weight decay acts on all weights alike. Convolutions that the caller has frozen stay as they are. If the retain set is the
smaller one, its examples are drawn more than once.

Values: published, on the organisers' slides; the form of 3a for other numbers of epochs is that of the public port
(`munl/unlearning/kgltop2.py` of xcadet/deepunlearn). Ours: the gradients are taken in eval mode, so that comparing leaves the
statistics of batch-norm layers alone; the port takes them in the mode in which it gets the network.
"""

METADATA = {
    "family": "winner",
    "source": (
        "team Kookmin (LD&BGW&KJH), NeurIPS 2023 Machine Unlearning challenge, "
        "https://www.kaggle.com/competitions/neurips-2023-machine-unlearning, by the organisers' slides and public "
        'ports; called MSG in "Deep Unlearn", https://arxiv.org/abs/2410.01276'
    ),
    "reported": "0.0902 (private leaderboard, 2nd place)",
    "values": "published",
    "needs": "random retain examples (`.dataset`), the forget set, convolutions",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, RandomSampler

from solutions.parts.batches import number_of_examples
from solutions.parts.gradients import summed_gradients
from solutions.parts.layers import convolutions
from solutions.parts.training import sgd, train_epoch, training_only
from solutions.parts.weights import kaiming_normal, smallest, trainable

SEARCH_SPACE = {
    "reinitialised_fraction": (0.05, 0.95),
    "epochs": (3, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "kept_gradient_factor": (1e-3, 0.5, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    reinitialised_fraction: float = 0.3,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    kept_gradient_factor: float = 0.1,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    some_retain = random_examples(retain_loader, count=number_of_examples(forget_loader))
    differences = gradient_differences(net, some_retain, forget_loader)
    new = reinitialise_smallest(net, differences, reinitialised_fraction)
    optimiser = sgd(net, learning_rate, weight_decay)
    slow_down_kept(optimiser, new, kept_gradient_factor)
    net.train()
    for factor in rise_and_fall(epochs):
        optimiser.param_groups[0]["lr"] = factor * learning_rate
        train_epoch(net, retain_loader, optimiser)
    net.eval()


def random_examples(loader: DataLoader[Any], count: int) -> DataLoader[Any]:
    """A loader on some examples of another's data set, drawn anew for each epoch; none twice unless `count` exceeds them."""
    sampler = RandomSampler(loader.dataset, num_samples=count)  # type: ignore[arg-type]  # it has a length
    return DataLoader(loader.dataset, batch_size=loader.batch_size, sampler=sampler)


def gradient_differences(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any]
) -> dict[nn.Parameter, Tensor]:
    """For the weights of all convolutions |g_r - g_f|, of each weight's shape.

    The network is used in the mode it is in.
    """
    with training_only(net, [layer.weight for layer in convolutions(net)]):
        of_retain, of_forget = (summed_gradients(net, loader) for loader in (retain_loader, forget_loader))
        return {weight: (r - f).abs() for weight, r, f in zip(trainable(net), of_retain, of_forget, strict=True)}


@torch.no_grad()
def reinitialise_smallest(net: nn.Module, scores: dict[nn.Parameter, Tensor], fraction: float) -> dict[nn.Parameter, Tensor]:
    """Draw the elements with the smallest scores anew, the same fraction of each weight.

    Returns:
        For each weight a boolean tensor of its shape, True where it is new.
    """
    new = {weight: smallest([score], fraction, net)[0] for weight, score in scores.items()}
    for weight, mask in new.items():
        weight.copy_(torch.where(mask, kaiming_normal(weight, net), weight))
    return new


def slow_down_kept(optimiser: Optimizer, new: dict[nn.Parameter, Tensor], factor: float) -> None:
    """Let an optimiser see only a fraction of the gradients where weights are not new."""

    def scale(*_: object) -> None:
        for weight, mask in new.items():
            if weight.grad is not None:
                weight.grad.copy_(torch.where(mask, weight.grad, factor * weight.grad))

    optimiser.register_step_pre_hook(scale)


def rise_and_fall(epochs: int) -> list[float]:
    """Factors of the learning rate, one per epoch: linear up to 1 and down again, towards 0 in the epoch after the last."""
    top = (epochs + 1) // 2
    return [min(epoch / top, (epochs + 1 - epoch) / (epochs + 1 - top)) for epoch in range(1, epochs + 1)]
