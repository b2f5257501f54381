"""What a worker finds out before models are made: of the device, the data, the network, and of a solution that it tries."""

import hashlib
import os

import torch

from evaluation.populations.materials import load_data, original_model, printing_to
from evaluation.populations.population import Population
from starting_kit import batch_fields, dry_calls, networks, runner
from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import InputError
from starting_kit.lockstep import proof
from starting_kit.tasks import duplicates
from starting_kit.tasks.data import SPLITS
from starting_kit.tasks.task import Task


def name_of_device(device: str) -> str:
    """What a device is called, for people.

    Raises:
        InputError: there is none that PyTorch can use.
    """
    if device == "cpu":
        return device
    if not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no GPU that it can use here; leave the option out to work on the CPU.")
    return torch.cuda.get_device_name()


def instruction_set() -> str:
    """The CPU's instructions that PyTorch computes with, and oneDNN's where those are limited: they decide how it rounds.

    Returns:
        PyTorch's name, such as AVX512, with the value of `ONEDNN_MAX_CPU_ISA` after it if that is set.
    """
    capability, limit = torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA")
    return f"{capability}, oneDNN {limit}" if limit else capability


def look_at_data(task: Task) -> tuple[str, list[str]]:
    """What tells a task's data apart from others, and what a user should know of them.

    Raises:
        InputError: they are missing or damaged, or there is no network of the task's name.
    """
    networks.check(task.network)
    data = load_data(task)
    digest = hashlib.sha256()
    for array in (data.labels, *(getattr(data, split) for split in SPLITS), *data.images):
        digest.update(array)
    if task.original is not None:
        digest.update(task.original.read_bytes())
    return digest.hexdigest()[:16], [*data.remarks, *map(str, duplicates.find(data))]


def find_batches(population: Population, solution: Solution, data_free: bool) -> tuple[BatchFormat, list[str]]:
    """Which batches a solution reads, tried on a population's original model, and what of them is made up.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: it fails with both kinds of batches.
    """
    runner.start_afresh(population.master_seed)
    with printing_to(population, "dry call"):
        data = load_data(population.task)
        net = original_model(population)
        batches = dry_calls.find_batches(solution, net, population.task, data, population.device, data_free)
    return batches, batch_fields.made_up(solution, population.task, data) if batches == "dict" else []


def objection_to_lockstep(population: Population, solution: Solution, batches: BatchFormat, data_free: bool) -> str | None:
    """Why a solution cannot run in lockstep, or None, tried on a population's original model (`proof.objection`)."""
    torch.set_num_threads(1)
    with printing_to(population, f"{solution.name} in lockstep"):
        data = load_data(population.task)
        return proof.objection(solution, original_model(population), population.task, data, batches, data_free)
