"""Whether a submission's notebook gives the weights that are scored."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.populations.population import Population
from evaluation.scoring.reporter import OnFinished, Reporter, tell_all
from starting_kit import tasks
from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import RunError, SolutionError
from starting_kit.tasks import kaggle_layout
from starting_kit.tasks.casia_surf import TASK as COMPETITION
from starting_kit.tasks.data import SPLITS, Data
from starting_kit.tasks.task import ONE_AT_A_TIME, Task

LOOKED_AT = 16  # images on which outputs are compared


def find_batches(solution: Solution) -> BatchFormat:
    """What a solution reads: what it says, else what a dry call on a few noise images of the competition's size finds out.

    Raises:
        SolutionError: it fails with both kinds of batches.
    """
    from starting_kit import dry_calls
    from starting_kit.networks import build

    task, data = _noise()
    return dry_calls.find_batches(solution, build(task, seed=0).eval(), task, data)


def must_move_batches(solution: Solution, batches: BatchFormat, reporter: Reporter) -> bool:
    """Whether the notebook's loaders must bring batches to the GPU, because the solution does not.

    The competition's loaders leave them on the CPU. What goes wrong there for other reasons says nothing of devices.

    Raises:
        SolutionError: it fails on a GPU either way.
    """
    from starting_kit.kaggle.gpu_trial import call_on_gpu
    from starting_kit.networks import build

    task, data = _noise()
    for move in (False, True):
        trial = call_on_gpu(solution, build(task, seed=0).eval(), task, data, batches, move)
        if trial.mismatch:
            continue
        if trial.ended:
            reporter.notice(f"without a GPU {solution.name} was tried as on one only up to here: {trial.ended}")
        if move:
            reporter.notice(
                f"{solution.name} does not bring its batches to the network's device; the notebook's loaders do it "
                "(MOVE_BATCHES = True)."
            )
        return move
    raise SolutionError(
        f"{solution.name} would fail on Kaggle's GPU: {trial.mismatch}; bring tensors to the network's device there: "
        "x.to(next(net.parameters()).device)."
    )


def _noise() -> tuple[Task, Data]:
    """Two batches of noise for each loader, of the competition's size."""
    task = dataclasses.replace(COMPETITION, loader_batch_size=8)
    rng = np.random.default_rng(0)
    splits = np.arange(len(SPLITS) * 2 * task.loader_batch_size).reshape(len(SPLITS), -1)
    images = rng.integers(0, 256, (splits.size, *task.image_shape), dtype=np.uint8)
    return task, Data(images, rng.integers(0, task.classes, splits.size), *splits)


def check(
    notebook: Any,
    solution: Solution,
    batches: BatchFormat,
    seed: int,
    models: int,
    data: Path | None,
    reporter: Reporter,
) -> None:
    """Execute a notebook as it stands, and compare its checkpoints with the networks that are scored.

    Each is loaded as the competition's scorer does it, and must have the weights and the outputs of the one that is scored.

    Args:
        notebook: as `submission.notebook` makes it.
        solution: what is in it.
        batches: what that reads.
        seed: from which every run's seed derives.
        models: how many runs.
        data: holds the competition's folder; None for one that is made from digits.
        reporter: is told what takes time.

    Raises:
        InputError: `data` holds no such folder.
        RunError: the notebook fails, a checkpoint cannot be loaded, or it is not what is scored.
    """
    from starting_kit.kaggle.check import execute, notes

    with tempfile.TemporaryDirectory() as folder:
        kaggle, work = Path(folder, "kaggle"), Path(folder, "work")
        work.mkdir()
        competition = _competition(kaggle, data, reporter)
        with reporter.waiting(f"Executing the notebook with {models} models"):
            found = execute(notebook, kaggle, work, models)
        tell_all(reporter, notes(notebook), Path(folder, "notes.log"))
        task = tasks.find("kaggle_layout", competition)
        original = Population(task, "original", seed, Path(folder), ONE_AT_A_TIME)
        scored = original.unlearned_by(solution, batches, ONE_AT_A_TIME)
        with reporter.stage("compared", models) as on_finished:
            _compare(found, scored, models, on_finished)


def _compare(found: dict[str, Any], scored: Population, models: int, on_finished: OnFinished) -> None:
    """Compare checkpoints by name with unlearned models."""
    on_finished(0)
    data = _all_for_validation(scored.task.load())
    for model in range(models):
        name = f"unlearned_checkpoint_{model}.pth"
        if name not in found:
            raise RunError(f"submission.zip holds no {name}.")
        _compare_model(f"Model {model} of the notebook", found.pop(name), scored, model, data)
        on_finished(1)
    if found:
        raise RunError(f"submission.zip holds {', '.join(found)} as well.")


def _compare_model(what: str, checkpoint: Any, scored: Population, model: int, data: Data) -> None:
    import torch

    from evaluation.populations import worker
    from starting_kit.kaggle.checkpoints import loaded

    try:
        submitted = loaded(checkpoint, scored.task.classes)
    except ValueError as error:
        raise RunError(f"{what} cannot be loaded into the competition's network: it {error}.") from error
    net = worker.unlearn(scored, model, data)
    weights = net.state_dict()
    if weights.keys() != checkpoint.keys() or not all(w.equal(weights[name]) for name, w in submitted.state_dict().items()):
        raise RunError(f"{what} has other weights than the one that is scored.")
    images = torch.from_numpy(data.images[data.validation[:LOOKED_AT]]).float()
    with torch.no_grad():
        if not torch.allclose(submitted(images), net(images), rtol=1e-3, atol=1e-3):
            raise RunError(
                f"{what} has the weights of the one that is scored, and computes something else: the checkpoint holds weights "
                "alone, not the layers, hooks or settings that unlearning changed. Leave them as they were."
            )


def _competition(kaggle: Path, data: Path | None, reporter: Reporter) -> Path:
    """The competition's folder, at its place in a folder that stands for Kaggle's."""
    from starting_kit.kaggle import competition_folder
    from starting_kit.kaggle.submission import COMPETITION as NAME

    (kaggle / "input").mkdir(parents=True)
    competition = kaggle / "input" / NAME
    if data:
        competition.symlink_to(kaggle_layout.find_root(data).resolve())
    else:
        with reporter.waiting("Writing a folder laid out as the competition's, from digits"):
            competition_folder.write(tasks.find("digits").load(), competition)
            competition_folder.write_original(competition, epochs=1, seed=0)
    return competition


def _all_for_validation(data: Data) -> Data:
    """All validation images, as the competition gives them to a solution; scoring keeps half of them for testing."""
    return dataclasses.replace(data, validation=np.sort(np.concatenate([data.validation, data.test])))
