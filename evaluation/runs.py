"""What the workers execute: train networks, run solutions, keep the outputs.

A worker knows nothing of the population that the results will be compared with.
"""

import contextlib
import io
import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evaluation.executors import report_finished, stop_requested
from evaluation.populations import CHUNK, Population, read_intact
from evaluation.store import Arrays, write_arrays
from starting_kit import contract, runner, training
from starting_kit.contract import Batches, Solution
from starting_kit.errors import RunError
from starting_kit.networks import build
from starting_kit.tasks import SPLITS, Data, Task

SAVE_EVERY = 30.0  # seconds between writes of a shard: what a killed worker loses at most, besides the model under way
RETAIN_SAMPLE = 1000  # retain examples of which logits are kept
EVALUATION_BATCH = 1000
PRINTED = 10_000  # characters of a call's output that are kept

load_data = lru_cache(Task.load)  # once per worker
describe_solution = contract.describe


def find_batches(population: Population, solution: Solution) -> Batches:
    """Which batches a solution reads, tried on a population's original model (errors as for `runner.find_batches`)."""
    runner.start_afresh(population.master_seed)
    with _printing_to(population, "dry call"):
        return runner.find_batches(solution, original_model(population), population.task, load_data(population.task))


def original_model(population: Population) -> nn.Module:
    """A copy of model 0 of a population of original models."""
    weights = read_intact(population.weights_path)
    if weights is None:
        raise RunError(f"{population.weights_path} is missing or damaged; run the same command to make it again.")
    net = build(population.task, seed=0)
    net.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return net.eval()


def make_shard(population: Population, chunk: int, models: list[int]) -> None:
    """Make models of one shard and store their outputs beside those that are there.

    Args:
        population: of which kind.
        chunk: number of the shard.
        models: which models to make, all of that shard.

    Raises:
        RunError: a solution failed; the models before it are stored.
    """
    torch.set_num_threads(1)
    if stop_requested():
        return
    if population.solution is None:
        train_shard(population, chunk)
        report_finished(len(models))
        return
    shard = read_intact(population.shard_path(chunk))
    unsaved: list[Arrays] = []
    saved_at = time.monotonic()
    try:
        for model in models:
            unsaved.append(_unlearn(population, model))
            report_finished(1)
            if time.monotonic() - saved_at > SAVE_EVERY:
                shard, unsaved, saved_at = _save(population, chunk, shard, unsaved), [], time.monotonic()
            if stop_requested():
                return
    finally:
        if unsaved:
            _save(population, chunk, shard, unsaved)


def train_shard(population: Population, chunk: int) -> None:
    """Train all networks of a shard as one; a population of original models keeps the weights of model 0."""
    data = load_data(population.task)
    models = range(chunk * CHUNK, (chunk + 1) * CHUNK)
    examples = data.training if population.kind == "original" else data.retain
    networks = training.train(population.task, data, examples, [population.model_seed(model) for model in models])
    outputs = [_outputs(population.task, data, model, net) for model, net in zip(models, networks, strict=True)]
    if population.kind == "original" and chunk == 0:
        weights = {name: tensor.numpy() for name, tensor in networks[0].state_dict().items()}
        write_arrays(population.weights_path, weights)
    _save(population, chunk, None, outputs)


def time_retraining(retrained: Population, model: int) -> float:
    """Seconds to train one model, without evaluation."""
    data = load_data(retrained.task)
    start = time.perf_counter()
    training.train(retrained.task, data, data.retain, [retrained.model_seed(model)])
    return time.perf_counter() - start


def time_unlearning(unlearned: Population, model: int) -> float:
    """Seconds of one unlearning, without evaluation."""
    load_data(unlearned.task)
    start = time.perf_counter()
    unlearn(unlearned, model)
    return time.perf_counter() - start


def unlearn(population: Population, model: int) -> nn.Module:
    """One unlearned model (errors as for `runner.call`)."""
    solution, batches, original = population.solution, population.batches, population.original
    assert solution is not None and batches is not None and original is not None, population.kind
    net, data = original_model(original), load_data(population.task)
    runner.start_afresh(population.model_seed(model))
    try:
        with _printing_to(population, f"model {model}"):
            return runner.call(solution, net, population.task, data, batches)
    finally:
        runner.start_afresh(seed=0)  # whatever the solution left behind


def _unlearn(population: Population, model: int) -> Arrays:
    solution = population.solution
    assert solution is not None, population.kind
    if contract.sources(solution.path) != solution.sources:
        raise RunError(f"{solution.path} was changed while it was being scored; run the same command again.")
    try:
        net = unlearn(population, model)
        return _outputs(population.task, load_data(population.task), model, net)
    except RunError as error:
        raise RunError(
            f"{solution.name} failed on model {model}: {error}. "
            "The models that were finished are kept; mend the solution or run the same command to go on."
        ) from error


def _outputs(task: Task, data: Data, model: int, net: nn.Module) -> Arrays:
    """What is kept of one model, each array with a leading axis of length 1 for the model.

    Raises:
        RunError: the network cannot be evaluated.
    """
    arrays: Arrays = {"models": np.array([model])}
    sample = np.random.default_rng(task.split_seed).permutation(len(data.retain))[:RETAIN_SAMPLE]
    for split in SPLITS:
        ids = getattr(data, split)
        logits = _logits(net, data.images[ids], task.classes)
        arrays[f"accuracy_{split}"] = np.array([(logits.argmax(axis=1) == data.labels[ids]).mean()])
        kept = np.sort(sample) if split == "retain" else slice(None)
        arrays[f"ids_{split}"], arrays[f"labels_{split}"] = ids[kept], data.labels[ids][kept]
        arrays[f"logits_{split}"] = logits[kept][None]
    return arrays


def _logits(net: nn.Module, images: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    """Logits [examples, classes] of a network that should be able to give them.

    Raises:
        RunError: it raises, or gives another shape, NaN or infinity.
    """
    try:
        with torch.inference_mode():
            parts = [net(part) for part in torch.from_numpy(images).split(EVALUATION_BATCH)]
            logits = torch.cat(parts).float().numpy()
    except Exception as error:
        raise RunError(f"the unlearned network cannot be evaluated, {type(error).__name__}: {error}") from error
    if logits.shape != (len(images), classes):
        raise RunError(f"the unlearned network gives {logits.shape} logits instead of {(len(images), classes)}")
    if not np.isfinite(logits).all():
        raise RunError("the unlearned network gives logits that are NaN or infinite")
    return logits


def _save(population: Population, chunk: int, shard: Arrays | None, models: list[Arrays]) -> Arrays:
    """Store a shard with some models added, in the order of their numbers; what describes the examples is stored once."""
    parts = ([] if shard is None else [shard]) + models
    order = np.argsort(np.concatenate([part["models"] for part in parts]))
    merged = {
        name: values if name.startswith(("ids_", "labels_")) else np.concatenate([part[name] for part in parts])[order]
        for name, values in models[0].items()
    }
    write_arrays(population.shard_path(chunk), merged)
    return merged


@contextlib.contextmanager
def _printing_to(population: Population, title: str) -> Iterator[None]:
    """Collect what a solution prints in `output.log` of its population, instead of across the progress bars."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    finally:
        if text := printed.getvalue()[-PRINTED:].strip():
            population.folder.mkdir(parents=True, exist_ok=True)
            with (population.folder / "output.log").open("a", encoding="utf-8") as log:
                log.write(f"--- {title}\n{text}\n")
