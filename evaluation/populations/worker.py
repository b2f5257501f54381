"""What the workers execute: train networks, run solutions, keep the outputs.

A worker knows nothing of the population that the results will be compared with.
"""

import contextlib
import dataclasses
import hashlib
import io
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evaluation.metric.utility import age_error
from evaluation.populations import weights
from evaluation.populations.executors import report_finished, stop_requested
from evaluation.populations.population import Population
from evaluation.populations.shards import describes_examples
from starting_kit import contract, networks, runner, training
from starting_kit.contract import Batches, Solution
from starting_kit.errors import DataWithheldError, InputError, RunError, SolutionError
from starting_kit.files import Arrays, read_intact, write_arrays
from starting_kit.loaders import as_numbers
from starting_kit.lockstep import proof
from starting_kit.lockstep.stacking import NotStackableError
from starting_kit.networks import build
from starting_kit.tasks import duplicates
from starting_kit.tasks.data import SPLITS, Data, Ids, Pixels
from starting_kit.tasks.task import ONE_AT_A_TIME, Task

SAVE_EVERY = 30.0  # seconds between writes of a shard: what a killed worker loses at most, besides the model under way
RETAIN_SAMPLE = 1000  # retain examples of which logits are kept
EVALUATION_BATCH = 1000
PRINTED = 10_000  # characters of a call's output that are kept
SMALLEST_PICTURE = 32  # pixels across; smaller images are drawn enlarged


class SourceChangedError(RunError):
    """A solution's file is not what it was when scoring began."""


torch.backends.cudnn.deterministic = True  # on a GPU, too, the same models come out every time
load_data = lru_cache(Task.load)  # once per worker
_warm: set[str] = set()  # keys of populations of which this worker has timed a model
LONG = 10.0  # seconds of an epoch, from which on its share of compiling kernels does not count
describe_solution = contract.describe
usable_engine = training.usable_engine


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


def find_batches(population: Population, solution: Solution, data_free: bool) -> Batches:
    """Which batches a solution reads, tried on a population's original model (errors as for `runner.find_batches`)."""
    runner.start_afresh(population.master_seed)
    with _printing_to(population, "dry call"):
        data = load_data(population.task)
        net = original_model(population)
        return runner.find_batches(solution, net, population.task, data, population.device, data_free)


def original_model(population: Population, model: int = 0) -> nn.Module:
    """A copy of one of the original models that unlearning starts from; the first may come with the data set.

    Raises:
        InputError: the data set's own does not fit its network.
        RunError: the file is gone.
    """
    if model == 0 and population.task.original is not None:
        return _load_brought(build(population.task, seed=0), population.task.original).eval()
    return weights.load(population, model)


def _load_brought(net: nn.Module, path: Path) -> nn.Module:
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} holds no weights of this {type(net).__name__} ({str(error).splitlines()[0]}); --network says which it is."
        ) from error
    return net


def objection_to_lockstep(population: Population, solution: Solution, batches: Batches, data_free: bool) -> str | None:
    """Why a solution cannot run in lockstep, or None, tried on a population's original model (`proof.objection`)."""
    torch.set_num_threads(1)
    with _printing_to(population, f"{solution.name} in lockstep"):
        data = load_data(population.task)
        return proof.objection(solution, original_model(population), population.task, data, batches, data_free)


def make_shard(population: Population, shard: int, models: list[int]) -> None:
    """Make models of one shard and store their outputs.

    Args:
        population: of which kind.
        shard: its number.
        models: which models to make, all of that shard; where they are made together, the others are made with them.

    Raises:
        SolutionError: a solution failed; the models before it are stored.
    """
    torch.set_num_threads(1)
    if stop_requested():
        return
    if population.engine.kind == "single":
        _make_one_by_one(population, shard, models)
    else:
        _make_together(population, shard)
        report_finished(len(models))


def _make_together(population: Population, shard: int) -> None:
    models = population.models_of_shard(shard)
    try:
        networks = _train(population, models) if population.solution is None else _unlearn_in_lockstep(population, models)
        outputs = [_keep(population, model, net) for model, net in zip(models, networks, strict=True)]
    except (RunError, NotStackableError) as error:
        which = f"models {models[0]} to {models[-1]}, which ran in lockstep"
        raise _failure(population, which, error, "; --engine single runs one at a time") from error
    _save(population, shard, None, outputs)


def _make_one_by_one(population: Population, shard: int, models: list[int]) -> None:
    """Keeping what is there, and saving now and then."""
    stored = read_intact(population.shard_path(shard))
    unsaved: list[Arrays] = []
    saved_at = time.monotonic()
    try:
        for model in models:
            unsaved.append(_make_one(population, model))
            report_finished(1)
            if time.monotonic() - saved_at > SAVE_EVERY:
                stored, unsaved, saved_at = _save(population, shard, stored, unsaved), [], time.monotonic()
            if stop_requested():
                return
    finally:
        if unsaved:
            _save(population, shard, stored, unsaved)


def _make_one(population: Population, model: int) -> Arrays:
    try:
        if population.solution is None:
            (net,) = _train(population, [model])
        else:
            net = unlearn(population, model, load_data(population.task))
        return _keep(population, model, net)
    except RunError as error:
        raise _failure(population, f"model {model}", error) from error


def _train(population: Population, models: Sequence[int]) -> list[nn.Module]:
    """Trained networks; of the original models that unlearning starts from, the weights are kept."""
    data = load_data(population.task)
    examples = data.training if population.kind == "original" else data.retain
    seeds = [population.model_seed(model) for model in models]
    if population.trainer is None:
        networks = training.train(population.task, data, examples, seeds, population.engine, population.device)
    else:
        networks = [_train_alone(population, population.task, seed, examples) for seed in seeds]
    if population.kind == "original":
        for model, net in zip(models, networks, strict=True):
            if model < population.originals:
                weights.store(population, model, net, data)
    return networks


def _train_alone(population: Population, task: Task, seed: int, examples: Ids) -> nn.Module:
    """One network by itself, by the solution's trainer if the population has one (errors as for `runner.train`)."""
    data, trainer = load_data(population.task), population.trainer
    if trainer is None:
        return training.train(task, data, examples, [seed], ONE_AT_A_TIME, population.device)[0]
    _require_unchanged(trainer)
    with _printing_to(population, f"training with seed {seed}"):
        return runner.train(trainer, task, data, examples, seed)


def time_retraining(retrained: Population, model: int) -> float:
    """Seconds to train one model alone, without evaluation; where an epoch takes long, those of one times their number.

    A solution's own trainer may take its time for other things than epochs, so that it is timed as a whole.
    """
    task, seed, retain = retrained.task, retrained.model_seed(model), load_data(retrained.task).retain
    one_epoch = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, epochs=1))
    first = _seconds(lambda: _train_alone(retrained, one_epoch, seed, retain))  # compiles kernels, too
    if first > LONG and retrained.trainer is None:
        return first * task.recipe.epochs
    return _seconds(lambda: _train_alone(retrained, task, seed, retain))


def time_unlearning(unlearned: Population, model: int) -> float:
    """Seconds of one unlearning alone, without evaluation (errors as for `runner.call`)."""
    if unlearned.key not in _warm:
        few = runner.two_batches(unlearned.task, load_data(unlearned.task))
        first = _seconds(lambda: unlearn(unlearned, model, few))
        _warm.add(unlearned.key)
        if unlearned.data_free and first > LONG:  # fewer data are no less work then
            return first
    return _seconds(lambda: unlearn(unlearned, model, load_data(unlearned.task)))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def unlearn(population: Population, model: int, data: Data) -> nn.Module:
    """One unlearned model, on the task's data or a part of them (errors as for `runner.call`)."""
    solution, batches, original = _unlearning_parts(population)
    _require_unchanged(solution)
    net = original_model(original, model % population.originals)
    runner.start_afresh(population.model_seed(model))
    try:
        with _printing_to(population, f"model {model}"):
            return runner.call(solution, net, population.task, data, batches, population.device, population.data_free)
    finally:
        runner.start_afresh(seed=0)  # whatever the solution left behind


def draw(population: Population) -> bytes:
    """What a solution makes up on the way to model 0, a grid of images as a PNG, each stretched to its own range of values.

    Small images are enlarged.

    Errors as for `runner.draw`.
    """
    from torchvision.utils import save_image  # half a second to import

    solution, batches, original = _unlearning_parts(population)
    _require_unchanged(solution)
    runner.start_afresh(population.model_seed(0))
    try:
        with _printing_to(population, "pictures"):
            net, data = original_model(original), load_data(population.task)
            images = runner.draw(solution, net, population.task, data, batches, population.device, population.data_free)
    except RunError as error:
        raise _failure(population, "its pictures", error) from error
    finally:
        runner.start_afresh(seed=0)
    file = io.BytesIO()
    times = -(-SMALLEST_PICTURE // images.shape[-1])
    enlarged = nn.functional.interpolate(images.flatten(0, 1).float(), scale_factor=times)  # each pixel to a square
    save_image(enlarged, file, "png", nrow=images.shape[1], normalize=True, scale_each=True, pad_value=1)
    return file.getvalue()


def _unlearn_in_lockstep(population: Population, models: Sequence[int]) -> list[nn.Module]:
    solution, batches, original = _unlearning_parts(population)
    _require_unchanged(solution)
    nets = [original_model(original, model % population.originals) for model in models]
    data = [load_data(population.task)] * len(models)
    seeds = [population.model_seed(model) for model in models]
    runner.start_afresh(seeds[0])
    try:
        with _printing_to(population, f"models {models[0]} to {models[-1]}"):
            return runner.call_in_lockstep(solution, nets, population.task, data, batches, seeds, population.data_free)
    finally:
        runner.start_afresh(seed=0)


def _unlearning_parts(population: Population) -> tuple[Solution, Batches, Population]:
    assert population.solution and population.batches and population.original, population.kind
    return population.solution, population.batches, population.original


def _require_unchanged(solution: Solution) -> None:
    if contract.sources(solution.path) != solution.sources:
        raise SourceChangedError(f"{solution.path} was changed in the meantime; run the same command again.")


def _failure(population: Population, models: str, error: Exception, advice: str = "") -> Exception:
    solution = population.solution or population.trainer
    if solution is None or isinstance(error, SourceChangedError | DataWithheldError):
        return error
    return SolutionError(
        f"{solution.name} failed on {models}: {error}. "
        f"The models that were finished are kept; mend the solution or run the same command to go on{advice}."
    )


def _keep(population: Population, model: int, net: nn.Module) -> Arrays:
    """The outputs of a model (errors as for `_outputs`); its weights are stored if they are to be kept."""
    outputs = _outputs(population, model, net)
    if model < population.kept:
        weights.store(population, model, net, load_data(population.task))
    return outputs


def _outputs(population: Population, model: int, net: nn.Module) -> Arrays:
    """What is kept of one model, each array with a leading axis of length 1 for the model.

    Raises:
        SolutionError: the network cannot be evaluated.
    """
    task, data = population.task, load_data(population.task)
    arrays: Arrays = {"models": np.array([model])}
    sample = np.random.default_rng(task.seed).permutation(len(data.retain))[:RETAIN_SAMPLE]
    for split in SPLITS:
        ids = getattr(data, split)
        logits = logits_of(net, data.images[ids], task.classes, population.device)
        arrays[f"accuracy_{split}"] = np.array([(logits.argmax(axis=1) == data.labels[ids]).mean()])
        if data.ages is not None:
            arrays[f"age_error_{split}"] = np.array([age_error(logits, data.group_ages(task.classes), data.ages[ids])])
        kept = np.sort(sample) if split == "retain" else slice(None)
        arrays[f"ids_{split}"], arrays[f"labels_{split}"] = ids[kept], data.labels[ids][kept]
        arrays[f"logits_{split}"] = logits[kept][None]
    return arrays


def logits_of(net: nn.Module, images: Pixels, classes: int, device: str = "cpu") -> NDArray[np.float32]:
    """Logits [examples, classes] of a network that should be able to give them, on a device.

    Raises:
        SolutionError: it raises, or gives another shape, NaN or infinity.
    """
    try:
        with torch.inference_mode():
            net.to(device)
            parts = [net(as_numbers(part.to(device))) for part in torch.from_numpy(images).split(EVALUATION_BATCH)]
            logits = torch.cat(parts).float().cpu().numpy()
    except Exception as error:
        raise SolutionError(f"the unlearned network cannot be evaluated, {type(error).__name__}: {error}") from error
    if logits.shape != (len(images), classes):
        raise SolutionError(f"the unlearned network gives {logits.shape} logits instead of {(len(images), classes)}")
    if not np.isfinite(logits).all():
        raise SolutionError("the unlearned network gives logits that are NaN or infinite")
    return logits


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
