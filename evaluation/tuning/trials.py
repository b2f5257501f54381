"""One trial of tuning: proposed values, what they cost, and how they score against models that scoring never sees."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, Trial

from evaluation.metric import measures
from evaluation.metric.outputs import Outputs
from evaluation.populations import shards
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.reports import console
from evaluation.scoring import experiment
from evaluation.scoring.scorecard import COST_LIMIT, DEFAULT_MODELS
from starting_kit.contract import Solution
from starting_kit.errors import InputError
from starting_kit.search_space import Range
from starting_kit.tasks.task import Engine, Task

SEED = 2**31  # plus --seed; scoring uses other seeds unless told to use these
ORIGINALS = 4  # models that trials start from, in turn: what works with one of them need not work with another
HIGHEST_COST = 0.9 * COST_LIMIT


@dataclass(frozen=True)
class Trials:
    """What all trials of a solution have in common.

    Attributes:
        published: the population with the published values.
        retrained: what a trial is compared with.
        models: of a trial.
        trainers: train networks.
        workers: processes, or threads.
        engines: how the solution runs, by its choices: all that the proof of lockstep is repeated for.
    """

    published: Population
    retrained: Population
    models: int
    trainers: LocalProcesses
    workers: int
    engines: dict[tuple[Any, ...], Engine]

    @property
    def solution(self) -> Solution:
        """With the published values."""
        assert self.published.solution is not None
        return self.published.solution

    def retrain(self, models: int) -> None:
        """Make the retrained models that are missing (errors as for `populations.make`)."""
        with console.stage("retrained", models) as on_finished:
            shards.make(self.retrained, models, self.trainers, on_finished, console.notice)

    def population(self, values: dict[str, Any], unlearners: LocalProcesses) -> Population:
        """What a trial makes, in lockstep if a proof for its choices allows that.

        Numbers may differ from the proved ones: scoring proves again.
        """
        solution = self.solution.with_values(values)
        choices = choices_of(solution)
        if choices not in self.engines:
            assert self.published.original and self.published.batches
            proved = experiment.choose_engine(None, self.published.original, solution, self.published.batches, unlearners)
            self.engines[choices] = proved[0]
        return replace(self.published, solution=solution, engine=self.engines[choices])

    def cost(self, population: Population, unlearners: LocalProcesses, runs: int = 1) -> float:
        """Time of an unlearning over time of a retraining, medians of so many each."""
        return experiment.measure_cost(population, self.retrained, self.trainers, unlearners, runs)

    def forecast(
        self,
        population: Population,
        models: int,
        unlearners: LocalProcesses,
        on_finished: Callable[[int], None] = lambda newly: None,
    ) -> float:
        """The score to be expected of a population, from so many models, which are made if they are missing.

        Errors as for `populations.make`.
        """
        shards.make(population, models, unlearners, on_finished, console.notice)
        unlearned, retrained = (without_test(shards.load(kind, models)) for kind in (population, self.retrained))
        return forecast(unlearned, retrained, ORIGINALS)


def prepare(options: argparse.Namespace, task: Task, path: Path, trainers: LocalProcesses, workers: int) -> Trials:
    """Make the models that trials start from, and those they are compared with.

    Raises:
        InputError: the solution is none, or has no search space.
        RunError: the solution failed with the published values.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    apart = argparse.Namespace(
        set=[],
        seed=SEED + options.seed,
        runs=options.runs / "tuning",
        originals=ORIGINALS,
        engine=None,
        device="cpu",
        data_free=False,
        pictures=False,
    )
    with LocalProcesses(1, console.notice) as unlearners:
        kinds, _ = experiment.define_populations(apart, task, path, None, trainers, unlearners)
    published = kinds["unlearned"]
    assert published.solution is not None
    engines = {choices_of(published.solution): published.engine}
    trials = Trials(published, kinds["retrained"], options.models, trainers, workers, engines)
    if not trials.solution.search_space:
        raise InputError(
            f"{path} has no SEARCH_SPACE, so nothing can be tuned; starting_kit/search_space.py says what it holds."
        )
    trials.retrain(options.models)
    return trials


def choices_of(solution: Solution) -> tuple[Any, ...]:
    """The values that a solution takes from a list, in the order of its search space."""
    choices = (name for name, limits in solution.search_space.items() if limits.kind == "choice")
    return tuple(solution.hyperparameters[name] for name in choices)


def propose(trial: Trial, ranges: dict[str, Range]) -> dict[str, Any]:
    """Values for the hyper-parameters that may be tuned, from the sampler."""
    for name, limits in ranges.items():
        if limits.kind == "choice":
            trial.suggest_categorical(name, limits.choices)
        elif limits.kind == "whole":
            trial.suggest_int(name, int(limits.low), int(limits.high), log=limits.log)
        else:
            trial.suggest_float(name, limits.low, limits.high, log=limits.log)
    return values_of(trial, ranges)


def values_of(trial: Trial | FrozenTrial, ranges: dict[str, Range]) -> dict[str, Any]:
    """The values of a trial, as the solution takes them."""
    return {name: ranges[name].value(proposed) for name, proposed in trial.params.items()}


def forecast(unlearned: Outputs, retrained: Outputs, originals: int = 1, models: int = DEFAULT_MODELS) -> float:
    """The score to be expected with more models than there are, the mean over the original models that they come from.

    Few models flatter what varies too little or lies far off, because no ε that they show exceeds the logarithm of their
    number: with 32 a solution may score 0.02, with 512 the same one 0.0003. Means and standard deviations need no tails. So
    this is the score of normal confidences with those of each example, drawn in the same way for every trial. Means and
    deviations of few models are noisy, which makes it cautious: with 32, something perfect is expected to score half of the
    ceiling.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        originals: how many original models the unlearned ones come from, in turn.
        models: that are to be expected, from one original model.
    """
    parts = [unlearned.take(slice(first, None, originals)) for first in range(originals)]
    rng = np.random.default_rng(0)
    expected = _normal(retrained, models, rng)
    return float(np.mean([score(_normal(part, models, rng), expected) for part in parts]))


def _normal(outputs: Outputs, models: int, rng: np.random.Generator) -> Outputs:
    """So many models, normally distributed, with the means and deviations of some."""
    confidences = outputs.confidences["forget"]
    draws = rng.standard_normal((models, confidences.shape[1]))
    drawn = confidences.mean(axis=0) + confidences.std(axis=0, ddof=1) * draws
    return replace(outputs, confidences={"forget": drawn})


def score(unlearned: Outputs, retrained: Outputs) -> float:
    """The competition's score, on what tuning may see."""
    found = measures.compare(unlearned, retrained).score
    assert found is not None
    return found


def without_test(outputs: Outputs) -> Outputs:
    """Validation images in place of the test images."""
    return replace(outputs, accuracy={"retain": outputs.accuracy["retain"], "test": outputs.accuracy["validation"]})
