"""What the workers execute: train networks, run solutions, keep the outputs.

A worker knows nothing of the population that the results will be compared with.
"""

import time
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from evaluation.populations import parcels, weights
from evaluation.populations.made import FailedRun, Made, Parcel
from evaluation.populations.materials import load_data, original_model, printing_to, require_unchanged
from evaluation.populations.model_outputs import outputs, outputs_of_logits
from evaluation.populations.population import Population, describes_examples
from evaluation.populations.serving import report_finished, stop_requested
from starting_kit import runner, training
from starting_kit.errors import SolutionError
from starting_kit.files import Arrays, read_intact, write_arrays
from starting_kit.lockstep.stacking import NotStackableError
from starting_kit.returned import SolutionWarning
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import ONE_AT_A_TIME, Task

SAVE_EVERY = 30.0  # seconds between writes of a shard: what a killed worker loses at most, besides the model under way


torch.backends.cudnn.deterministic = True  # on a GPU, too, the same models come out every time


def make_shard(population: Population, shard: int, models: list[int]) -> None:
    """Train models of one shard by the task's recipe, and store their outputs.

    Args:
        population: of which kind.
        shard: its number.
        models: which models to make, all of that shard; where they are made together, the others are made with them.

    Raises:
        RunError: a file cannot be written.
    """
    torch.set_num_threads(1)
    if stop_requested():
        return
    if population.engine.kind == "single":
        _make_one_by_one(population, shard, models)
    else:
        together = population.models_of_shard(shard)
        networks = _train(population, together)
        _save(population, shard, None, [_keep(population, model, net) for model, net in zip(together, networks, strict=True)])
        report_finished(len(models))


def _make_one_by_one(population: Population, shard: int, models: list[int]) -> None:
    """Keeping what is there, and saving now and then."""
    stored = read_intact(population.shard_path(shard))
    unsaved: list[Arrays] = []
    saved_at = time.monotonic()
    try:
        for model in models:
            (net,) = _train(population, [model])
            unsaved.append(_keep(population, model, net))
            report_finished(1)
            if time.monotonic() - saved_at > SAVE_EVERY:
                stored, unsaved, saved_at = _save(population, shard, stored, unsaved), [], time.monotonic()
            if stop_requested():
                return
    finally:
        if unsaved:
            _save(population, shard, stored, unsaved)


def _train(population: Population, models: Sequence[int]) -> list[nn.Module]:
    """Trained networks; of the original models that unlearning starts from, the weights are kept."""
    data = load_data(population.task)
    examples = data.training if population.kind == "original" else data.retain
    seeds = [population.model_seed(model) for model in models]
    networks = training.train(population.task, data, examples, seeds, population.engine, population.device)
    if population.kind == "original":
        for model, net in zip(models, networks, strict=True):
            if model < population.originals:
                weights.store(population, model, net, data)
    return networks


def run_solution(population: Population, models: list[int]) -> Made:
    """Run a solution: unlearn models, or train them with its own trainer.

    Args:
        population: of which kind.
        models: which; several run in lockstep.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raised, or what it gave cannot be used.
        SourceChangedError: its file was edited in the meantime.
    """
    torch.set_num_threads(1)
    data = load_data(population.task)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SolutionWarning)
        if population.trainer is not None:
            examples = data.training if population.kind == "original" else data.retain
            networks = [train_alone(population, population.task, population.model_seed(model), examples) for model in models]
        elif len(models) > 1:
            networks = _unlearn_in_lockstep(population, models)
        else:
            networks = [unlearn(population, models[0], data)]
    remarks = {str(warning.message) for warning in caught if issubclass(warning.category, SolutionWarning)}
    return Made(
        [parcels.pack(population, model, net, data) for model, net in zip(models, networks, strict=True)], sorted(remarks)
    )


def store_models(population: Population, shard: int, made: list[tuple[int, Parcel]]) -> list[FailedRun]:
    """Store the outputs of models that a solution has made, in a worker that runs none.

    Args:
        population: of which kind.
        shard: its number.
        made: numbers of models of that shard, and what was sent of each.

    Returns:
        Those that cannot be used, and why.

    Raises:
        RunError: a file cannot be written.
    """
    torch.set_num_threads(1)
    kept: list[Arrays] = []
    refused: list[FailedRun] = []
    for model, parcel in made:
        try:
            kept.append(_arrays_of(population, model, parcel))
        except SolutionError as error:
            refused.append(FailedRun(model, str(error)))
    if kept:
        _save(population, shard, read_intact(population.shard_path(shard)), kept)
    return refused


def _arrays_of(population: Population, model: int, parcel: Parcel) -> Arrays:
    task, data = population.task, load_data(population.task)
    if parcel.weights:
        return _keep(population, model, parcels.network(task, parcel))
    arrays = outputs_of_logits(task, model, parcels.logits(task, parcel, data))
    if population.keeps_whole(model):
        weights.store_pickled(population, model, parcel.whole)
    elif population.keeps(model):
        weights.store_objection(population, model)
    return arrays


def train_alone(population: Population, task: Task, seed: int, examples: Ids) -> nn.Module:
    """One network by itself, by the solution's trainer if the population has one.

    Raises:
        SolutionError: the trainer raised, or what it gave cannot be used.
        SourceChangedError: its file was edited in the meantime.
    """
    data, trainer = load_data(population.task), population.trainer
    if trainer is None:
        return training.train(task, data, examples, [seed], ONE_AT_A_TIME, population.device)[0]
    require_unchanged(trainer)
    with printing_to(population, f"training with seed {seed}"):
        return runner.train(trainer, task, data, examples, seed)


def unlearn(population: Population, model: int, data: Data) -> nn.Module:
    """One unlearned model, on the task's data or a part of them.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raised, or what it gave cannot be used.
        SourceChangedError: its file was edited in the meantime.
    """
    solution, batches, original = population.unlearning()
    require_unchanged(solution)
    net = original_model(original, population.original_of(model))
    runner.start_afresh(population.model_seed(model))
    try:
        with printing_to(population, f"model {model}"):
            return runner.call(solution, net, population.task, data, batches, population.device, population.data_free)
    finally:
        runner.start_afresh(seed=0)  # whatever the solution left behind


def _unlearn_in_lockstep(population: Population, models: Sequence[int]) -> list[nn.Module]:
    solution, batches, original = population.unlearning()
    require_unchanged(solution)
    nets = [original_model(original, population.original_of(model)) for model in models]
    data = [load_data(population.task)] * len(models)
    seeds = [population.model_seed(model) for model in models]
    runner.start_afresh(seeds[0])
    try:
        with printing_to(population, f"models {models[0]} to {models[-1]}"):
            return runner.call_in_lockstep(solution, nets, population.task, data, batches, seeds, population.data_free)
    except NotStackableError as error:
        raise SolutionError(str(error)) from error
    finally:
        runner.start_afresh(seed=0)


def _keep(population: Population, model: int, net: nn.Module) -> Arrays:
    """The outputs of a model; its weights are stored if they are to be kept."""
    arrays = outputs(population, model, net)
    if population.keeps(model):
        weights.store(population, model, net, load_data(population.task))
    return arrays


def _save(population: Population, shard: int, stored: Arrays | None, models: list[Arrays]) -> Arrays:
    """Store a shard with some models added, in the order of their numbers; what describes the examples is stored once.

    A model that is stored and was made again, for its weights, is taken as it was made last.
    """
    parts = models + ([] if stored is None else [stored])
    _, order = np.unique(np.concatenate([part["models"] for part in parts]), return_index=True)
    merged = {
        name: values if describes_examples(name) else np.concatenate([part[name] for part in parts])[order]
        for name, values in models[0].items()
    }
    write_arrays(population.shard_path(shard), merged)
    return merged
