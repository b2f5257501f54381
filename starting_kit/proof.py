"""Whether a solution may run in lockstep: tried, not believed.

Three models are unlearned both ways, one after another and as one, in float64, where rounding can neither hide a difference
nor feign one. Three different models: with weights, labels and seeds of their own, the labels of one right, of one half wrong,
of one all wrong, so that their losses and gradients lie far apart. A decision that is taken for all of them together, like
stopping at a pooled loss or clipping a pooled gradient, then differs from what each would have decided alone.
"""

import copy
import dataclasses
import pickle
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np
import torch
from torch import nn

from starting_kit.contract import Batches, Solution
from starting_kit.errors import RunError
from starting_kit.lockstep import NotStackableError, check_stackable
from starting_kit.runner import call, call_in_lockstep, random_state_restored, start_afresh
from starting_kit.tasks import Data, Task

TOLERANCE = 1e-8  # on weights, in float64; rounding alone stays near 1e-13
WRONG_LABELS = (0.0, 0.5, 1.0)  # share of each model's labels
PERTURBATION = 0.1  # of the weights of the model whose labels are all wrong, relative; of the others accordingly
BATCHES_PER_LOADER = 8.5  # at most: the last batch of an epoch is smaller than the others
PATIENCE = 20  # times the first model's time, for what need not end on wrong labels
LEAST_PATIENCE = 60.0  # seconds


def objection(solution: Solution, net: nn.Module, task: Task, data: Data, batches: Batches) -> str | None:
    """Why a solution cannot run in lockstep, as half a sentence; None if it can.

    The generators' states are restored.

    Args:
        solution: with its hyper-parameters.
        net: the original model.
        task: gives the loaders' batch size.
        data: of the task.
        batches: what the loaders yield.
    """
    try:
        check_stackable(net)
    except NotStackableError as error:
        return str(error)
    nets, sets = _three_models(net), _three_data_sets(task, data)
    seeds = [1, 2, 3]
    start = time.monotonic()
    alone: list[nn.Module] = []
    with random_state_restored():
        try:
            for member, own, seed in zip(nets, sets, seeds, strict=True):
                spent = time.monotonic() - start
                with _time_limit(max(LEAST_PATIENCE, PATIENCE * spent) if alone else None):
                    start_afresh(seed, torch.float64)
                    alone.append(call(solution, copy.deepcopy(member), task, own, batches))
        except (RunError, _TimeUpError) as error:
            start_afresh(seed=0)
            return f"the trial in float64 failed: {error}"
        try:
            with _time_limit(max(LEAST_PATIENCE, PATIENCE * (time.monotonic() - start))):
                start_afresh(seeds[0], torch.float64)
                untouched = _global_generators()
                together = call_in_lockstep(solution, nets, task, sets, batches, seeds)
                drawn_for_all = _global_generators() != untouched
        except (RunError, _TimeUpError) as error:
            return f"three models at once fail: {error}"
        finally:
            start_afresh(seed=0)
    if _distance(alone, together) > TOLERANCE:
        return "three models at once do not get the weights that each gets alone"
    return "it draws random numbers once for all models, which by chance made no difference to three" if drawn_for_all else None


def _global_generators() -> bytes:
    """The states of what `side_by_side` draws from for no model: a coin tossed once for all may fall the same way for each."""
    return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()))


def _three_models(net: nn.Module) -> list[nn.Module]:
    generator = torch.Generator().manual_seed(0)
    models = []
    for share in WRONG_LABELS:
        model = copy.deepcopy(net).double()
        with torch.no_grad():
            for weight in model.parameters():
                noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
                weight.mul_(1 + share * PERTURBATION * noise)
        models.append(model)
    return models


def _three_data_sets(task: Task, data: Data) -> list[Data]:
    rng = np.random.default_rng(0)
    most = int(BATCHES_PER_LOADER * task.loader_batch_size)
    parts = {split: getattr(data, split)[:most] for split in ("retain", "forget", "validation")}
    sets = []
    for share in WRONG_LABELS:
        labels = data.labels.copy()
        wrong = rng.random(len(labels)) < share
        labels[wrong] = (labels[wrong] + rng.integers(1, task.classes, wrong.sum())) % task.classes
        sets.append(dataclasses.replace(data, images=data.images.astype(np.float64), labels=labels, **parts))
    return sets


def _distance(alone: list[nn.Module], together: list[nn.Module]) -> float:
    """The largest difference between any two weights or statistics; infinite between different architectures."""
    largest = 0.0
    for one, other in zip(alone, together, strict=True):
        states = one.state_dict(), other.state_dict()
        if states[0].keys() != states[1].keys():
            return float("inf")
        for name, tensor in states[0].items():
            if tensor.numel():
                largest = max(largest, (tensor.double() - states[1][name].double()).abs().max().item())
    return largest


class _TimeUpError(BaseException):
    """Not an Exception: a solution that catches those must not catch it."""


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """End what takes longer, if seconds are given and the system has timers."""
    if seconds is None or not hasattr(signal, "setitimer"):
        yield
        return

    def end(signal_number: int, frame: FrameType | None) -> None:
        raise _TimeUpError(f"it was stopped after {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
