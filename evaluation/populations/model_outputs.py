"""What is kept of one model: logits and accuracies."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluation.metric.utility import age_error
from evaluation.populations.made import BY_ROUNDING
from evaluation.populations.materials import load_data
from evaluation.populations.population import Population
from starting_kit.errors import SolutionError, first_line
from starting_kit.files import Arrays
from starting_kit.loaders import as_numbers
from starting_kit.tasks.data import SPLITS, Data, Pixels
from starting_kit.tasks.task import Task

RETAIN_SAMPLE = 1000  # retain examples of which logits are kept
EVALUATION_BATCH = 1000
COMPARED = 32  # validation images of which logits are asked for again
ALONE = 8  # of them that are shown alone as well


def outputs(population: Population, model: int, net: nn.Module) -> Arrays:
    """What is kept of one model, each array with a leading axis of length 1 for the model.

    Raises:
        SolutionError: the network cannot be evaluated.
    """
    task, data = population.task, load_data(population.task)
    by_split = {split: logits_of(net, data.images[getattr(data, split)], task.classes, population.device) for split in SPLITS}
    return outputs_of_logits(task, model, by_split)


def outputs_of_logits(task: Task, model: int, by_split: Mapping[str, NDArray[np.float32]]) -> Arrays:
    """As `outputs`, from logits [examples, classes] of all examples of each split."""
    data = load_data(task)
    arrays: Arrays = {"models": np.array([model])}
    sample = np.random.default_rng(task.seed).permutation(len(data.retain))[:RETAIN_SAMPLE]
    for split in SPLITS:
        ids, logits = getattr(data, split), by_split[split]
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
            other = next((kind for kind in map(_other_kind, parts) if kind), None)
            logits = np.empty(0, np.float32) if other else torch.cat(parts).float().cpu().numpy()
    except Exception as error:
        raise SolutionError(
            f"the unlearned network cannot be evaluated, {type(error).__name__}: {first_line(error)}"
        ) from error
    if other:
        raise SolutionError(f"the unlearned network gives a {other} instead of logits {(len(images), classes)}")
    if logits.shape != (len(images), classes):
        raise SolutionError(f"the unlearned network gives {logits.shape} logits instead of {(len(images), classes)}")
    if not np.isfinite(logits).all():
        raise SolutionError("the unlearned network gives logits that are NaN or infinite")
    return logits


def _other_kind(part: object) -> str | None:
    """What a network gives in the place of real numbers."""
    if not isinstance(part, Tensor):
        return type(part).__name__
    return None if part.is_floating_point() else f"tensor of {str(part.dtype).removeprefix('torch.')}"


def dependence(net: nn.Module, data: Data, classes: int, device: str = "cpu") -> tuple[float, float]:
    """How much the logits of an image hang on the batch that it is in, and on chance, relative to their size.

    Raises:
        SolutionError: there are none.
    """
    images = data.images[data.validation[:COMPARED]]
    together, repeated = (logits_of(net, images, classes, device) for _ in range(2))
    alone = np.concatenate([logits_of(net, images[[i]], classes, device) for i in range(ALONE)])
    size = max(1.0, float(np.abs(together).max()))
    by_batch, by_call = np.abs(together[:ALONE] - alone).max(), np.abs(together - repeated).max()
    return float(by_batch) / size, float(by_call) / size


def require_function_of_image(net: nn.Module, data: Data, classes: int, device: str = "cpu") -> None:
    """Refuse a network whose logits of an image are not the same each time, and in each batch.

    Raises:
        SolutionError: it is one, or gives no logits.
    """
    by_batch, by_call = dependence(net, data, classes, device)
    if by_call > BY_ROUNDING:
        raise SolutionError("the unlearned network gives other logits when it is asked again, in eval mode")
    if by_batch > BY_ROUNDING:
        raise SolutionError("the unlearned network gives an image other logits in another batch, in eval mode")
