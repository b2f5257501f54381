"""The models that runs start from and are compared with, and the runs themselves."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.checking.observed import Runs
from evaluation.checking.subject import Subject
from evaluation.metric.confidence import confidences
from evaluation.populations import materials, shards, worker
from evaluation.populations.model_outputs import outputs
from evaluation.populations.population import Kind
from starting_kit import runner
from starting_kit.errors import SolutionError
from starting_kit.files import Arrays
from starting_kit.streams import printed


def make(subject: Subject, kind: Kind) -> int:
    """Make the models that are missing of a population: the first original one, or the retrained ones.

    Returns:
        How many were missing.

    Raises:
        RunError: a solution's own trainer failed, or a file cannot be written.
    """
    population = subject.population(kind)
    if kind == "original" and population.task.original is not None:
        return 0  # it comes with the data set
    with shards.prepared(population, _nobody):
        missing = shards.missing_models(population, 1 if kind == "original" else subject.models, _nobody)
        if kind == "original" and not missing and not shards.is_stored(population.weights_path(0), _nobody):
            missing = {0: [0]}
        for shard, models in missing.items():
            if population.made_by is None:
                worker.make_shard(population, shard, models)
            else:  # by the solution's own trainer, in this process, where it may do what it likes
                made = worker.run_solution(population, models)
                worker.store_models(population, shard, list(zip(models, made.models, strict=True)))
    return sum(map(len, missing.values()))


def runs(subject: Subject, seconds: float) -> Runs:
    """Run the solution from the first original model, again and again, for some time at most.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: a run failed.
    """
    unlearned = subject.unlearned()
    solution, batches, original = unlearned.unlearning()
    data = materials.load_data(subject.task)
    made: list[Arrays] = []
    start = time.monotonic()
    while len(made) < subject.models and time.monotonic() - start < seconds:
        model = len(made)
        net = materials.original_model(original)
        runner.start_afresh(unlearned.model_seed(model))
        try:
            with printed():
                net = runner.call(solution, net, subject.task, data, batches, data_free=subject.data_free)
            made.append(outputs(original, model, net))
        except SolutionError as error:
            raise SolutionError(f"run {model}: {error}") from error
    return _runs({name: np.concatenate([run[name] for run in made]) for name in made[0]}, made[0]["labels_forget"], subject)


def retrained(subject: Subject) -> Runs:
    """The retrained models, all that are made together with those that are needed."""
    make(subject, "retrained")
    population = subject.population("retrained")
    needed = -(-subject.models // population.shard_size)
    arrays = shards.load_arrays(
        population, needed * population.shard_size if population.engine.kind != "single" else subject.models
    )
    return _runs(arrays, arrays["labels_forget"], subject)


def _runs(arrays: Arrays, labels: NDArray[Any], subject: Subject) -> Runs:
    forget = confidences(arrays["logits_forget"], labels).tolist()
    return Runs(subject.models, forget, arrays["accuracy_retain"].tolist(), arrays["accuracy_test"].tolist())


def _nobody(sentence: str) -> None:
    """Damaged files are made again, and another process is waited for, without a word."""
