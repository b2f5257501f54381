"""How long models take to learn the forgotten class again: what is asked, and where the answers are stored.

`scoring.anamnesis` says what it is for; `relearning` is what the workers execute.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.populations import jobs, shards
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.populations.relearn_settings import BATCHES, EPOCHS, IMAGES, LEARNING_RATE, METHOD
from starting_kit.errors import RunError
from starting_kit.files import identity_key, read_intact


@dataclass(frozen=True)
class RelearnTimes:
    """Relearn times of some models of a population.

    Attributes:
        batches: of each model.
        capped: how many models had not learnt the class again after as many.
    """

    batches: list[int]
    capped: int


def relearn_times(
    population: Population,
    models: Sequence[int],
    target: float,
    executor: LocalProcesses,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> RelearnTimes:
    """Relearn times of some models whose weights are kept, measured where they are not stored.

    Args:
        population: of the models.
        models: their numbers.
        target: the accuracy to be reached.
        executor: where models are trained.
        on_finished: called with the number of models newly measured, or found.
        notice: called with a sentence for the user.

    Raises:
        RunError: a file is gone or cannot be written; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    paths = {model: times_path(population, model, target) for model in models}
    with shards.prepared(population, notice):
        missing = [model for model, path in paths.items() if not shards.is_stored(path, notice)]
        on_finished(len(paths) - len(missing))
        executor.run_all(jobs.relearn, [(population, model, target, paths[model]) for model in missing], on_finished)
    stored = []
    for path in paths.values():
        arrays = read_intact(path)
        if arrays is None:
            raise RunError(f"{path} is missing or damaged; run the same command to make it again.")
        stored.append(arrays)
    return RelearnTimes([int(arrays["batches"]) for arrays in stored], sum(bool(arrays["capped"]) for arrays in stored))


def times_path(population: Population, model: int, target: float) -> Path:
    """The relearn time of a model, by everything that it depends on besides the population."""
    settings = {
        "method": METHOD,
        "accuracy": target,
        "learning_rate": LEARNING_RATE,
        "batch_size": population.task.loader_batch_size,
        "epochs": EPOCHS,
        "batches": BATCHES,
        "images": IMAGES,
    }
    return population.folder / f"relearning-{identity_key(settings)}-{model:05d}.npz"
