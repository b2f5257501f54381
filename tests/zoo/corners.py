"""Corners of search spaces, and how one sees that a step of a solution acts there."""

import copy
import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import nn

from starting_kit import contract, runner
from starting_kit.loaders import loaders
from starting_kit.search_space import Range
from trials import DATA, TASK, weights

SEEDS = range(3)  # what lots decide need not act in every run
LITTLE_TASK = dataclasses.replace(TASK, loader_batch_size=24)
EXACT = dataclasses.replace(DATA, images=DATA.images.astype("float64"))
LITTLE = dataclasses.replace(
    EXACT,
    retain=DATA.retain[:96],
    forget=DATA.forget[:24],  # as large a share as on digits
    validation=DATA.validation[:48],
)
WHOLE = {"lfssd"}  # on little data nothing stands out as it does on all
FEWER: dict[str, dict[str, Any]] = {
    "amun": {"radius": 0.5, "steps": 10},
    "l2ul": {"attack_steps": 5},
    "unsir": {"noise_copies": 1},
}
Values = dict[str, Any]


@dataclass(frozen=True)
class Neutral:
    """A step acts if other weights come out than with values that take it out, from the same random numbers.

    Attributes:
        values: that take it out.
    """

    values: Values

    def acts(self, name: str, net: nn.Module, values: Values) -> bool:
        return any(differ(run(name, net, values, s), run(name, net, {**values, **self.values}, s)) for s in SEEDS)


@dataclass(frozen=True)
class Moves:
    """A step acts if its function changes the weights of the network that is unlearned.

    Attributes:
        function: of the solution's module.
    """

    function: str

    def acts(self, name: str, net: nn.Module, values: Values) -> bool:
        moved = []

        def watching(unlearned: nn.Module, step: Callable[..., Any], arguments: Sequence[Any], named: Values) -> Any:
            before = weights(unlearned)
            result = step(*arguments, **named)
            moved.append(differ(weights(unlearned), before))
            return result

        run(name, net, values, watched={self.function: watching})
        return any(moved)


@dataclass(frozen=True)
class Gives:
    """A step acts if what its function gives says so.

    Attributes:
        function: of the solution's module.
        says: whether a result says so, by the arguments and the result.
    """

    function: str
    says: Callable[[Sequence[Any], Any], bool]

    def acts(self, name: str, net: nn.Module, values: Values) -> bool:
        said = []

        def watching(unlearned: nn.Module, step: Callable[..., Any], arguments: Sequence[Any], named: Values) -> Any:
            result = step(*arguments, **named)
            said.append(self.says(arguments, result))
            return result

        for seed in SEEDS:
            run(name, net, values, seed, watched={self.function: watching})
            if any(said):
                return True
        return False


@dataclass(frozen=True)
class Replaced:
    """A step acts if other weights come out where its function gives something else.

    Attributes:
        function: of the solution's module; it draws nothing.
        by: gives what it is replaced by, from the arguments and the result.
    """

    function: str
    by: Callable[[Sequence[Any], Any], Any]

    def acts(self, name: str, net: nn.Module, values: Values) -> bool:
        def replacing(unlearned: nn.Module, step: Callable[..., Any], arguments: Sequence[Any], named: Values) -> Any:
            return self.by(arguments, step(*arguments, **named))

        return differ(run(name, net, values), run(name, net, values, watched={self.function: replacing}))


Step = Neutral | Moves | Gives | Replaced


def neutral(**values: Any) -> Neutral:
    """`Neutral`, by names."""
    return Neutral(values)


def chooses(function: str) -> Gives:
    """A function gives boolean tensors, by name of a weight or in a list, that are neither all true nor all false."""

    def says(_: Sequence[Any], result: Any) -> bool:
        parts = list(result.values()) if isinstance(result, dict) else [result] if torch.is_tensor(result) else result
        chosen = torch.cat([part.flatten() for part in parts])
        return bool(chosen.any() and not chosen.all())

    return Gives(function, says)


def run(name: str, net: nn.Module, values: Values, seed: int = 0, watched: Mapping[str, Any] | None = None) -> torch.Tensor:
    """The weights that a solution leaves a copy of a network with, in float64, on little data.

    Args:
        name: of the solution.
        net: the original model.
        values: of its hyper-parameters.
        seed: of the random numbers.
        watched: what is called in place of functions of its module, with the network that is unlearned, the function, and
            its arguments.
    """
    module, unlearned = importlib.import_module(f"solutions.{name}"), copy.deepcopy(net).double().eval()

    def instead(function: str, call: Callable[..., Any]) -> Any:
        step = getattr(module, function)
        return mock.patch.object(module, function, lambda *arguments, **named: call(unlearned, step, arguments, named))

    runner.start_afresh(seed)
    given = loaders(TASK, EXACT, "tuple") if name in WHOLE else loaders(LITTLE_TASK, LITTLE, "tuple")
    patches = [instead(*each) for each in (watched or {}).items()]
    for patch in patches:
        patch.start()
    try:
        module.unlearning(unlearned, *given, **FEWER.get(name, {}), **values)
    finally:
        for patch in patches:
            patch.stop()
    return weights(unlearned)


def differ(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether weights differ by more than rounding."""
    return bool((first - second).abs().max() > 1e-12)


def space(name: str) -> dict[str, Range]:
    """The search space of a solution."""
    return contract.describe(contract.find(name), []).search_space


def corners(name: str) -> list[Values]:
    """The two corners where all ranges are at their low end, or all at their high end."""
    return [{key: ends(limits)[end] for key, limits in space(name).items()} for end in (0, 1)]


def edges(name: str) -> list[Values]:
    """Values where one range is at an end and the rest as published."""
    return [{key: end} for key, limits in space(name).items() for end in ends(limits)]


def shortened(name: str, values: Values) -> Values:
    """The same with hardly more rounds than the fewest: what acts in those acts in more."""
    fewest = {key: limits.low for key, limits in space(name).items() if key.endswith(("epochs", "cycles", "_steps"))}
    return {**values, **{key: min(values.get(key, low), low + 1) for key, low in fewest.items()}}


def ends(limits: Range) -> tuple[Any, Any]:
    """The values at both ends of a range."""
    low, high = (limits.choices[0], limits.choices[-1]) if limits.kind == "choice" else (limits.low, limits.high)
    return limits.value(low), limits.value(high)
