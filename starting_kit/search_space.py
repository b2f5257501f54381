"""What a solution lets be tuned: its module constant `SEARCH_SPACE`, from the names of hyper-parameters to their ranges.

    SEARCH_SPACE = {
        "epochs": (1, 12),                      # whole numbers, both ends included
        "fraction": (0.1, 0.9),                 # numbers
        "learning_rate": (1e-4, 1.0, "log"),    # numbers, by their order of magnitude
        "learning_rates": (0.1, 100, "times"),  # one factor, by its order of magnitude, for all numbers of the default
        "rewind": [False, True],                # a choice
    }

A range holds the default: what is published is tried first.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from starting_kit.errors import InputError, did_you_mean

DIGITS = 3  # of proposed numbers: more say nothing


@dataclass(frozen=True)
class Range:
    """What a hyper-parameter may be.

    Attributes:
        default: what is published.
        kind: a choice, a whole number, a number, or a factor for all numbers of the default.
        choices: of a choice.
        low, high: ends of the others, both included.
        log: whether numbers are told apart by their order of magnitude.
    """

    default: Any
    kind: Literal["choice", "whole", "number", "factor"]
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False

    @property
    def start(self) -> Any:
        """What stands for the default: itself, or 1 as a factor."""
        return 1.0 if self.kind == "factor" else self.default

    def value(self, proposed: Any) -> Any:
        """The value that a proposal means: rounded, or the default times a factor."""
        if self.kind == "factor":
            return times(self.default, proposed)
        return _rounded(proposed) if self.kind == "number" and proposed != self.default else proposed

    def proposal(self, value: Any) -> Any | None:
        """What stands for a value, of numbers the nearest in the range; None where nothing does.

        >>> Range(0.1, "number", low=0.01, high=1.0).proposal(3)
        1.0
        >>> Range((0.5, 1.0), "factor", low=0.1, high=100).proposal([5.0, 10.0])
        10.0
        """
        if self.kind == "choice":
            return value if value in self.choices else None
        if self.kind == "factor":
            value, unit = _first(value), _first(self.default)
            value = value / unit if type(value) in (int, float) and unit else None
        return min(max(value, self.low), self.high) if type(value) in (int, float) else None


def parse(space: Any, defaults: dict[str, Any], path: Path) -> dict[str, Range]:
    """The ranges of a search space.

    Args:
        space: the constant `SEARCH_SPACE`.
        defaults: of the solution's hyper-parameters.
        path: of the solution.

    Raises:
        InputError: the space does not fit the hyper-parameters.
    """
    if not isinstance(space, dict):
        raise InputError(f"{path}: SEARCH_SPACE must be a dict, from names of hyper-parameters to ranges.")
    ranges = {}
    for name, given in space.items():
        if name not in defaults:
            hint = did_you_mean(str(name), defaults)
            raise InputError(f"{path}: SEARCH_SPACE names {name!r}, which is no hyper-parameter of unlearning.{hint}")
        try:
            ranges[name] = _range(given, defaults[name])
        except ValueError as error:
            raise InputError(f"{path}: SEARCH_SPACE[{name!r}] = {given!r} {error}.") from error
    return ranges


def _range(given: Any, default: Any) -> Range:
    if isinstance(given, list):
        if default not in given:
            raise ValueError(f"must hold the default, {default!r}")
        return Range(default, "choice", tuple(given))
    if not isinstance(given, tuple) or given[2:] not in ((), ("log",), ("times",)) or len(given) < 2:
        raise ValueError('must be (low, high), (low, high, "log"), (low, high, "times") or a list of choices')
    low, high = given[:2]
    if not all(type(end) in (int, float) and math.isfinite(end) for end in (low, high)) or not low < high:
        raise ValueError("must begin with two numbers, the lower one first")
    if given[2:] and low <= 0:
        raise ValueError("must have ends above 0")
    kind: Literal["whole", "number", "factor"] = "whole" if type(default) is int else "number"
    found = Range(default, "factor" if given[2:] == ("times",) else kind, (), low, high, bool(given[2:]))
    if type(found.start) not in (int, float) or not low <= found.start <= high:
        raise ValueError(f"must hold {'1' if found.kind == 'factor' else f'the default, {default!r}'}")
    if found.kind == "whole" and not type(low) is type(high) is int:
        raise ValueError(f"must have whole ends, like the default, {default!r}")
    return found


def times(default: Any, factor: float) -> Any:
    """A number times a factor, or all numbers of nested tuples.

    >>> times((0.5, (1.0, 2.0)), 10)
    (5.0, (10.0, 20.0))
    """
    return tuple(times(inner, factor) for inner in default) if isinstance(default, tuple) else _rounded(default * factor)


def _first(nested: Any) -> Any:
    """The first number in nested tuples or lists; None where there is none."""
    while isinstance(nested, tuple | list):
        nested = nested[0] if nested else None
    return nested


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
