"""Whether a submission's notebook gives the weights that are scored."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.populations.population import Population
from evaluation.scoring.reporter import OnFinished, Reporter
from starting_kit import tasks
from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import RunError
from starting_kit.tasks import kaggle_layout
from starting_kit.tasks.casia_surf import TASK as COMPETITION
from starting_kit.tasks.data import SPLITS, Data
from starting_kit.tasks.task import ONE_AT_A_TIME


def find_batches(solution: Solution) -> BatchFormat:
    """What a solution reads: what it says, else what a dry call on a few noise images of the competition's size finds out.

    Raises:
        SolutionError: it fails with both kinds of batches.
    """
    if solution.batches:
        return solution.batches
    from starting_kit import runner
    from starting_kit.networks import build

    task = dataclasses.replace(COMPETITION, loader_batch_size=8)
    rng = np.random.default_rng(0)
    splits = np.arange(len(SPLITS) * 2 * task.loader_batch_size).reshape(len(SPLITS), -1)  # two batches of each
    images = rng.integers(0, 256, (splits.size, *task.image_shape), dtype=np.uint8)
    data = Data(images, rng.integers(0, task.classes, splits.size), *splits)
    return runner.find_batches(solution, build(task, seed=0).eval(), task, data)


def check(
    notebook: Any,
    solution: Solution,
    batches: BatchFormat,
    seed: int,
    models: int,
    data: Path | None,
    reporter: Reporter,
) -> None:
    """Execute a notebook as it stands, and compare its weights with those that are scored.

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
        RunError: the notebook fails, or its weights are others.
    """
    from starting_kit.kaggle.check import execute

    with tempfile.TemporaryDirectory() as folder:
        kaggle, work = Path(folder, "kaggle"), Path(folder, "work")
        work.mkdir()
        competition = _competition(kaggle, data, reporter)
        with reporter.waiting(f"Executing the notebook with {models} models"):
            found = execute(notebook, kaggle, work, models)
        task = tasks.find("kaggle_layout", competition)
        original = Population(task, "original", seed, Path(folder), ONE_AT_A_TIME)
        scored = original.unlearned_by(solution, batches, ONE_AT_A_TIME)
        with reporter.stage("compared", models) as on_finished:
            _compare(found, scored, models, on_finished)


def _compare(found: dict[str, Any], scored: Population, models: int, on_finished: OnFinished) -> None:
    """Compare checkpoints by name with the weights of unlearned models."""
    on_finished(0)
    for model, weights in enumerate(_scored_weights(scored, models)):
        submitted = found.pop(f"unlearned_checkpoint_{model}.pth", {})
        equal = [submitted[name].equal(weights[name]) for name in weights.keys() & submitted.keys()]
        if submitted.keys() != weights.keys() or not all(equal):
            raise RunError(f"Model {model} of the notebook has other weights than the one that is scored.")
        on_finished(1)
    if found:
        raise RunError(f"submission.zip holds {', '.join(found)} as well.")


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


def _scored_weights(scored: Population, models: int) -> Iterator[dict[str, Any]]:
    """The weights of one unlearned model after another.

    Scoring keeps half of the validation images for testing; the competition gives a solution all of them.
    """
    from evaluation.populations import worker

    data = scored.task.load()
    data = dataclasses.replace(data, validation=np.sort(np.concatenate([data.validation, data.test])))
    for model in range(models):
        yield worker.unlearn(scored, model, data).state_dict()
