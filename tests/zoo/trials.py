"""How the tests of solutions call them, and what they look at."""

import copy
import dataclasses
import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torchvision.models import resnet18

from solutions.parts.data_spec import data_spec
from solutions.parts.distillation import frozen_copy
from solutions.parts.gated_transfer import Gate, Settings, fresh_copy
from solutions.parts.image_generator import generator_for
from starting_kit import contract, loading, runner, tasks
from starting_kit.loaders import loaders
from starting_kit.networks import NETWORKS
from starting_kit.tasks.data import Data

TASK = tasks.find("digits")
DATA = TASK.load()

# Two batches of 32x32 colour pictures per loader, for a network of another architecture.
PICTURES_TASK = dataclasses.replace(TASK, loader_batch_size=8)
PICTURES = Data(
    np.random.default_rng(0).normal(size=(64, 3, 32, 32)).astype(np.float32),
    np.random.default_rng(1).integers(0, 10, 64),
    *np.arange(64).reshape(4, 16),
)


# The same with whole classes to be forgotten, for solutions that do nothing else.
CLASS_TASK = tasks.find("digits", forget="class:3")
CLASS_DATA = CLASS_TASK.load()
CLASS_PICTURES = dataclasses.replace(PICTURES, labels=np.where(np.isin(np.arange(64), PICTURES.forget), 3, np.arange(64) % 3))

FEW = Settings(pseudo_batches=2, batch_size=32, student_steps=2, examine_every=1)  # of GKT


def resnet():
    """A torchvision ResNet-18 for ten classes that has seen nothing."""
    torch.manual_seed(0)
    return resnet18(num_classes=10).eval()


def small_net():
    """The network of digits with random weights, in float64 and eval mode."""
    torch.manual_seed(0)
    return NETWORKS["cnn-8-16-16"](TASK).double().eval()


def describe(name, settings):
    return contract.describe(contract.find(name), [f"{key}={value}" for key, value in settings.items()])


def train(name, seed=0, task=TASK, data=DATA, examples=None, **settings):
    """What a solution's own trainer makes of some examples, or of retain and forget set."""
    return runner.train(describe(name, settings), task, data, data.training if examples is None else examples, seed)


def unlearn(name, net, seed=0, batches="tuple", task=TASK, data=DATA, data_free=False, **settings):
    """What a solution makes of a copy of a network, called as the runner calls it."""
    solution = describe(name, settings)
    runner.start_afresh(seed)
    return runner.call(solution, copy.deepcopy(net), task, data, batches, data_free=data_free)


def given(batches="tuple"):
    """The three loaders that a solution gets."""
    return loaders(TASK, DATA, batches)


def weights(net):
    """All weights as one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def examples(ids):
    """Images and labels of some examples of digits."""
    return torch.from_numpy(DATA.images[ids]), torch.from_numpy(DATA.labels[ids])


def logits(net, ids):
    with torch.no_grad():
        return net(examples(ids)[0])


def loss(net, ids):
    """Mean cross-entropy on some examples of digits."""
    return F.cross_entropy(logits(net, ids), examples(ids)[1]).item()


def accuracy(net, ids):
    """Share of right answers on some examples of digits."""
    return (logits(net, ids).argmax(dim=1) == examples(ids)[1]).double().mean().item()


def changed(before, after):
    """For every weight of a network, by name, where two versions of it differ."""
    return {name: weight != after.get_parameter(name) for name, weight in before.named_parameters()}


def steps(name):
    """Numbers of the steps in a solution's docstring."""
    return [int(number) for number in re.findall(r"^(\d+)\. ", loading.load(contract.find(name)).__doc__, re.MULTILINE)]


def spec_of(net):
    """What a solution without data may know, of digits of which class 3 is to be forgotten."""
    return data_spec(net, *loaders(CLASS_TASK, CLASS_DATA, "tuple", data_free=True)[:2])


def gkt_parts(original, settings=FEW):
    """A gate with its teacher, a generator and a student, of digits of which class 3 is to be forgotten."""
    torch.manual_seed(0)
    net = copy.deepcopy(original)
    gate = Gate(frozen_copy(net), spec_of(net), settings)
    return gate, generator_for(net, gate.spec), fresh_copy(net)


def gates_of_pictures(variant, original, monkeypatch):
    """The highest entropy, weight of attention and batch size of a GKT variant's pictures, by default and with values."""
    seen = []
    monkeypatch.setattr(variant, "samples", lambda *given: seen.append(given[-1]))
    for values in ({}, {"most_entropy": 0.1, "batch_size": 7}):
        variant.pictures(copy.deepcopy(original), None, None, None, **values)
    return [(settings.most_entropy, settings.attention_weight, settings.batch_size) for settings in seen]


def adam(network, learning_rate=1e-3):
    return torch.optim.Adam(network.parameters(), lr=learning_rate)


def logits_of(*probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).clamp(min=1e-30).log()


class Step(NamedTuple):
    """A step of an optimiser; without one, what was shown to networks after the last.

    Attributes:
        optimiser: its class.
        rate, momentum, decay: its learning rate, momentum and weight decay; the betas for Adam.
        before: how many steps it had taken.
        shown: the batches that networks saw since the step before, by size, "t" in train and "e" in eval mode.
    """

    optimiser: str
    rate: float
    momentum: float | tuple[float, float]
    decay: float
    before: int
    shown: str


def steps_of(name, net, **settings):
    """All steps of optimisers in a run of a solution, for a network of images of one channel."""
    found, shown, taken = [], [], Counter()

    def step(optimiser, arguments, values):
        (group,) = optimiser.param_groups
        momentum = group.get("momentum", group.get("betas"))
        found.append(
            Step(type(optimiser).__name__, group["lr"], momentum, group["weight_decay"], taken[optimiser], " ".join(shown))
        )
        taken[optimiser] += 1
        shown.clear()

    def show(module, arguments):
        if isinstance(module, nn.Conv2d) and module.in_channels == 1:
            shown.append(f"{len(arguments[0])}{'t' if module.training else 'e'}")

    hooks = register_optimizer_step_pre_hook(step), register_module_forward_pre_hook(show)
    try:
        unlearn(name, net, **settings)
    finally:
        for hook in hooks:
            hook.remove()
    return found + ([Step("", 0, 0, 0, 0, " ".join(shown))] if shown else [])
