"""What an unlearning and a retraining cost, each alone in its process and without evaluation.

On a CPU the clock is the processor's: what else the machine does takes longer from a retraining than from a short unlearning,
which is over before it is interrupted, so that on a busy machine the ratio of waiting times is too small.
"""

import dataclasses
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter, process_time  # by name: a solution may replace what the module has

import torch
from torch import nn

from evaluation.populations import parcels
from evaluation.populations.materials import load_data, original_model
from evaluation.populations.model_outputs import logits_of
from evaluation.populations.population import Population
from evaluation.populations.trying import instruction_set
from evaluation.populations.worker import train_alone, unlearn
from starting_kit.tasks.data import SPLITS, Data
from starting_kit.time_limit import TimeUpError, calls_timed, time_limit

LONG = 10.0  # seconds of an epoch, from which on one is timed, and its share of compiling kernels does not count
TIMED_EPOCHS = 5  # of others: all take the same time, and several short timings say more than one long one
WARM_UP = 5.0  # seconds of a first call, of which kernels and buffers are ready for the one that is timed

_times = os.times
_warm: set[str] = set()  # keys of populations of which this worker has timed a model
_first_epochs: dict[str, float] = {}  # seconds of the first epoch that this worker has trained, by the population's key


def time_retraining(retrained: Population, model: int) -> float:
    """Seconds to train one model alone, without evaluation: those of some epochs, times the share that they are of all.

    A solution's own trainer may take its time for other things than epochs, so that it is timed as a whole.
    """
    task, seed, retain = retrained.task, retrained.model_seed(model), load_data(retrained.task).retain
    whole = task.recipe.epochs

    def seconds(epochs: int) -> float:
        part = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, epochs=epochs))
        return _seconds(lambda: train_alone(retrained, part, seed, retain), clock(retrained.device))

    is_first = retrained.key not in _first_epochs
    if is_first:
        _first_epochs[retrained.key] = seconds(1)  # compiles kernels, too
    if retrained.trainer is not None:
        return seconds(whole)
    if _first_epochs[retrained.key] > LONG:
        return whole * (_first_epochs[retrained.key] if is_first else seconds(1))
    epochs = min(TIMED_EPOCHS, whole)
    return seconds(epochs) * whole / epochs


def time_unlearning(unlearned: Population, model: int) -> float:
    """Seconds of one unlearning alone: of the solution's function, without evaluation and without what the kit does around it.

    A network of another kind than the task's may do its unlearning when it is evaluated: what that takes it longer than the
    original network is added.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raised, or what it gave cannot be used.
    """
    data = load_data(unlearned.task)
    if unlearned.key not in _warm:
        with suppress(TimeUpError), time_limit(WARM_UP):
            unlearn(unlearned, model, data)
        _warm.add(unlearned.key)
    with calls_timed(clock(unlearned.device)) as seconds:
        net = unlearn(unlearned, model, data)
    return sum(seconds) + _seconds_of_forward(unlearned, net, data)


def _seconds_of_forward(unlearned: Population, net: nn.Module, data: Data) -> float:
    """How much longer an evaluation takes than that of the original network; 0 where only weights differ."""
    task, original = unlearned.task, unlearned.unlearning()[2]
    if original.trainer is not None or parcels.is_of_task(task, net):
        return 0.0

    def seconds(net: nn.Module) -> float:
        parts = [data.images[getattr(data, split)] for split in SPLITS]
        return _seconds(
            lambda: [logits_of(net, part, task.classes, unlearned.device) for part in parts], clock(unlearned.device)
        )

    return max(0.0, seconds(net) - seconds(original_model(original)))


def clock(device: str) -> Callable[[], float]:
    """Seconds of the processor that this process and those it started have had; with a GPU, on the wall when it is done."""
    return _of_processor if device == "cpu" else _on_the_wall


def _of_processor() -> float:
    times = _times()  # of processes that have ended; of this one in hundredths, which are too coarse
    return process_time() + times.children_user + times.children_system


def _on_the_wall() -> float:
    torch.cuda.synchronize()
    return perf_counter()


def kind_of_machine(device: str) -> str:
    """What timings hang on: processor, instructions that PyTorch and oneDNN use, and the GPU if the device is one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    parts = [names[0] if names else platform.processor() or platform.machine(), instruction_set()]
    if device != "cpu":
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def _seconds(call: Callable[[], object], now: Callable[[], float]) -> float:
    start = now()
    call()
    return now() - start
