"""What the workers execute to see how fast a model learns the forgotten class again (`scoring.anamnesis` says what for)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from evaluation.populations import weights
from evaluation.populations.materials import load_data, original_model
from evaluation.populations.population import Population
from evaluation.populations.relearn_settings import BATCHES, EPOCHS, IMAGES, LEARNING_RATE, MARGIN, MODELS
from evaluation.populations.serving import report_finished, stop_requested
from starting_kit import runner
from starting_kit.files import write_arrays
from starting_kit.loaders import as_numbers
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import Task


class StoppedError(Exception):
    """The user wants no more of it."""


def accuracy_to_reach(original: Population, unlearned: int) -> float | None:
    """The accuracy on the forgotten class at which it counts as learnt again: nearly that of the models unlearning starts from.

    None where there are no test images of the class.

    Args:
        original: the population of the former.
        unlearned: how many models start from it.
    """
    task, data = original.task, load_data(original.task)
    torch.set_num_threads(1)
    if not len(measured(task, data)):
        return None
    models = range(min(original.originals_of(unlearned), MODELS))
    return (1 - MARGIN) * float(np.mean([accuracy(original_model(original, model), task, data) for model in models]))


def relearn(population: Population, model: int, target: float, path: Path) -> None:
    """Train a model, whose weights are kept, on all training data, and store how many batches it took.

    Args:
        population: of the model.
        model: its number.
        target: the accuracy to be reached.
        path: of the file for `batches`, and whether that is the most that was allowed (`capped`).

    Raises:
        RunError: the weights are gone, or the file cannot be written.
    """
    if stop_requested():
        return
    # A seed of its own: with that of the model, batches would come in an order that it may have been trained in.
    seed = (population.model_seed(model) + 1) % 2**63
    try:
        net = weights.load(population, model).to(population.device)
        batches, capped = relearn_time(net, population.task, load_data(population.task), target, seed)
    except StoppedError:
        return
    write_arrays(path, {"batches": np.array(batches), "capped": np.array(capped)})
    report_finished(1)


def relearn_time(net: nn.Module, task: Task, data: Data, target: float, seed: int) -> tuple[int, bool]:
    """After how many batches a network, which they change, reaches an accuracy on the forgotten class; is that the cap?

    Args:
        net: to be trained.
        task: gives the batch size.
        data: of the task.
        target: the accuracy, in [0, 1]. A network that has it at once takes 0 batches, one that never has it the most allowed.
        seed: of the order of the batches, and of what a network draws in training.

    Raises:
        StoppedError: the user interrupted.
    """
    runner.start_afresh(seed)
    device = next(net.parameters()).device
    images, labels, ids = (torch.from_numpy(part).to(device) for part in (data.images, data.labels, data.training))
    adam = Adam(net.parameters(), lr=LEARNING_RATE)
    taken = 0
    for rows in _batches(ids, task.loader_batch_size):
        if accuracy(net, task, data) >= target:
            return taken, False
        if stop_requested():
            raise StoppedError
        adam.zero_grad()
        F.cross_entropy(net.train()(as_numbers(images[rows])), labels[rows]).backward()
        adam.step()
        taken += 1
    return taken, accuracy(net, task, data) < target


def measured(task: Task, data: Data) -> Ids:
    """The test images of the forgotten class on which accuracy is measured: the first, at most `IMAGES`."""
    of_class: Ids = data.test[data.labels[data.test] == task.forgotten_class]
    return of_class[:IMAGES]


def accuracy(net: nn.Module, task: Task, data: Data) -> float:
    """Share of the measured images that a network, which is set to eval mode, gets right."""
    images = torch.from_numpy(data.images[measured(task, data)]).to(next(net.parameters()).device)
    with torch.inference_mode():
        return float((net.eval()(as_numbers(images)).argmax(dim=1) == task.forgotten_class).double().mean())


def _batches(ids: Tensor, size: int) -> Iterator[Tensor]:
    """The ids in random order, in batches, for as many epochs as are allowed; no batch of one, which batch-norm cannot take."""
    for _ in range(max(EPOCHS, -(-BATCHES * size // len(ids)))):
        yield from (rows for rows in ids[torch.randperm(len(ids))].split(size) if len(rows) > 1 or size == 1)
