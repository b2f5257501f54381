"""The seeds of the random generators that a solution makes for itself: in lockstep, each of them draws once for all models.

A seed that is written down is the same for each model alone, too. One that comes from the system, from a clock or from the seed
of the run is another one for each, and so is what the generator draws. Some of it may make no difference by chance (a coin that
nearly always falls the same way), so the seeds themselves are noted.
"""

import contextlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import torch

# Modules that make random numbers for whoever calls them, and modules whose own are no model's: names of files.
MAKERS = ("random", "secrets", "uuid", __name__)
NOT_THE_SOLUTION = ("torch.", "starting_kit.", "tempfile", "multiprocessing")


@contextmanager
def seeds_of_own_generators() -> Iterator[list[Any]]:
    """Note, while this lasts, from which seeds the solution makes generators of its own, and what it asks the system for.

    Yields:
        What can be compared: seeds as text, in their order; what the system has given is like nothing else.
    """
    noted: list[Any] = []
    with contextlib.ExitStack() as patches:
        for owner, name, stand_in in _stand_ins(noted):
            patches.enter_context(mock.patch.object(owner, name, stand_in))
        yield noted


def _stand_ins(noted: list[Any]) -> Iterator[tuple[Any, str, Any]]:
    """What stands in for a function or a class, with its owner and its name there."""
    yield random.Random, "seed", _seeding(random.Random.seed, noted, position=1)
    yield np.random, "default_rng", _seeding(np.random.default_rng, noted)
    yield np.random, "RandomState", _random_state(noted)
    yield torch, "Generator", _generator(noted)
    for owner in (random, os):  # `random` has a name of its own for it, by which numpy and `secrets` ask, too
        yield owner, "_urandom" if owner is random else "urandom", _asking(os.urandom, noted, lambda given: None)
    for module in (torch, torch.random):
        yield module, "initial_seed", _asking(torch.initial_seed, noted, lambda given: given)


def _note(noted: list[Any], seed: Any) -> None:
    """Note a seed if it is the solution's; None is for what the system gives."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in MAKERS:
        frame = frame.f_back
    if frame is None or not str(frame.f_globals.get("__name__")).startswith(NOT_THE_SOLUTION):
        noted.append(object() if seed is None else repr(seed))


def _seeding(ordinary: Callable[..., Any], noted: list[Any], position: int = 0) -> Callable[..., Any]:
    """A function that is given a seed at some position, or by name."""

    def seeding(*arguments: Any, **named: Any) -> Any:
        _note(noted, next(iter([*arguments[position:], *named.values()]), None))
        return ordinary(*arguments, **named)

    return seeding


def _asking(ordinary: Callable[..., Any], noted: list[Any], what: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that gives something; of that, `what` is noted."""

    def asking(*arguments: Any) -> Any:
        given = ordinary(*arguments)
        _note(noted, what(given))
        return given

    return asking


def _like(ordinary: type, methods: dict[str, Callable[..., Any]]) -> type:
    """A class with other methods that stands in for an ordinary one: instances of either are instances of both."""
    check = {"__instancecheck__": lambda cls, instance: type(ordinary).__instancecheck__(ordinary, instance)}
    stands_in: type = type("StandsIn", (type(ordinary),), check)(ordinary.__name__, (ordinary,), methods)
    return stands_in


def _random_state(noted: list[Any]) -> type:
    ordinary = np.random.RandomState

    def initialise(self: Any, seed: Any = None) -> None:
        before = len(noted)
        ordinary.__init__(self, seed)
        if seed is not None:  # it asks the system all the same, and forgets what it was given
            del noted[before:]
        _note(noted, seed)

    return _like(ordinary, {"__init__": initialise})


def _generator(noted: list[Any]) -> type:
    ordinary = torch.Generator

    def seed(self: Any) -> int:
        _note(noted, None)
        return ordinary.seed(self)

    def manual_seed(self: Any, seed: int) -> torch.Generator:
        _note(noted, seed)
        return ordinary.manual_seed(self, seed)

    return _like(ordinary, {"seed": seed, "manual_seed": manual_seed})
