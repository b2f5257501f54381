"""What an unlearning and a retraining cost, each alone in its process and without evaluation."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress

from evaluation.populations.materials import load_data
from evaluation.populations.population import Population
from evaluation.populations.worker import train_alone, unlearn
from starting_kit.time_limit import TimeUpError, calls_timed, time_limit

LONG = 10.0  # seconds of an epoch, from which on its share of compiling kernels does not count
WARM_UP = 5.0  # seconds of a first call, of which kernels and buffers are ready for the one that is timed

_warm: set[str] = set()  # keys of populations of which this worker has timed a model


def time_retraining(retrained: Population, model: int) -> float:
    """Seconds to train one model alone, without evaluation; where an epoch takes long, those of one times their number.

    A solution's own trainer may take its time for other things than epochs, so that it is timed as a whole.
    """
    task, seed, retain = retrained.task, retrained.model_seed(model), load_data(retrained.task).retain
    one_epoch = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, epochs=1))
    first = _seconds(lambda: train_alone(retrained, one_epoch, seed, retain))  # compiles kernels, too
    if first > LONG and retrained.trainer is None:
        return first * task.recipe.epochs
    return _seconds(lambda: train_alone(retrained, task, seed, retain))


def time_unlearning(unlearned: Population, model: int) -> float:
    """Seconds of one unlearning alone: of the solution's function, without evaluation and without what the kit does around it.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raised, or what it gave cannot be used.
    """
    data = load_data(unlearned.task)
    if unlearned.key not in _warm:
        with suppress(TimeUpError), time_limit(WARM_UP):
            unlearn(unlearned, model, data)
        _warm.add(unlearned.key)
    with calls_timed() as seconds:
        unlearn(unlearned, model, data)
    return sum(seconds)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
