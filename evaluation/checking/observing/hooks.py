"""Hooks on a network, on its weights, and on all networks and optimisers of the process."""

from collections import Counter
from typing import Any

from torch import nn
from torch.nn.modules import module as of_modules
from torch.optim import optimizer as of_optimisers

ON_WEIGHTS = ("_backward_hooks", "_post_accumulate_grad_hooks")
Hooks = dict[str, int]


def hooks(net: nn.Module) -> Hooks:
    """How many there are, by where they are, in words."""
    found: Counter[str] = Counter()
    for path, layer in net.named_modules():
        for kind, held in vars(layer).items():
            if kind.endswith("_hooks") and held:
                found[f"{_words(kind)} on {path or 'the network'}"] += len(held)
    for name, weight in net.named_parameters():
        for kind in ON_WEIGHTS:
            found[f"{_words(kind)} on {name}"] += len(getattr(weight, kind, None) or ())
    return {**found, **_of_all(of_modules, "networks"), **_of_all(of_optimisers, "optimisers")}


def left(before: Hooks, after: Hooks) -> list[str]:
    """Where there are more than before, in words."""
    return [where for where, count in after.items() if count > before.get(where, 0)]


def _of_all(module: Any, what: str) -> Hooks:
    held = {name: value for name, value in vars(module).items() if name.startswith("_global") and name.endswith("hooks")}
    return {f"{_words(name.removeprefix('_global'))} on all {what}": len(value) for name, value in held.items()}


def _words(kind: str) -> str:
    return kind.strip("_").replace("_", " ")
