"""One trial of tuning: proposed values, what they cost, and how they score against models that scoring never sees."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.populations import shards
from evaluation.populations.describing import described
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.cost import estimate_cost
from evaluation.scoring.plan import choose_engine, make_plan
from evaluation.scoring.reporter import Reporter
from evaluation.scoring.runners import runners_of
from evaluation.scoring.scorecard import COST_LIMIT
from evaluation.tuning.config import TuningConfig
from evaluation.tuning.forecast import forecast, without_test
from starting_kit.contract import Solution
from starting_kit.errors import InputError
from starting_kit.tasks.task import Engine, Task

SEED = 2**31  # plus --seed; scoring uses other seeds unless told to use these
SEED_AGAIN = 2**32  # likewise, of the models by which the best trials are judged again
HIGHEST_COST = 0.9 * COST_LIMIT


@dataclass(frozen=True)
class Trials:
    """What all trials of a solution have in common.

    Attributes:
        published: the population with the published values.
        retrained: what a trial is compared with.
        models: of a trial.
        trainers: train networks.
        time_limit: seconds that the solution has for each model.
        runners: workers that run the solution, new ones at each call.
        reporter: is told what takes time.
        engines: how the solution runs, by its choices: all that the proof of lockstep is repeated for.
    """

    published: Population
    retrained: Population
    models: int
    trainers: LocalProcesses
    time_limit: float
    runners: Callable[[], LocalProcesses]
    reporter: Reporter
    engines: dict[tuple[Any, ...], Engine]

    @property
    def solution(self) -> Solution:
        """With the published values."""
        return self.published.unlearning().solution

    def afresh(self) -> "Trials":
        """The same with other original, retrained and unlearned models, none of which the search has seen."""
        original = self.published.unlearning().original
        seed = original.master_seed - SEED + SEED_AGAIN
        return replace(
            self,
            published=replace(self.published, master_seed=seed, original=replace(original, master_seed=seed)),
            retrained=replace(self.retrained, master_seed=seed),
        )

    def train(self, models: int) -> None:
        """Make what is missing of so many retrained models, and of the original models that so many unlearned ones start from.

        Raises:
            RunError: a file cannot be written.
            KeyboardInterrupt: the user interrupted; what was finished is kept.
        """
        original = self.published.unlearning().original
        needed = original.originals_of(models)
        with self.reporter.stage("to start from", needed) as on_finished:
            shards.make_originals(original, needed, self.pools(self.trainers), on_finished, self.reporter.notice)
        with self.reporter.stage("retrained", models) as on_finished:
            shards.make(self.retrained, models, self.pools(self.trainers), on_finished, self.reporter.notice)

    def pools(self, runners: LocalProcesses) -> Pools:
        """Who trains, and who runs the solution."""
        return Pools(self.trainers, runners, self.time_limit)

    def population(self, values: dict[str, Any], unlearners: LocalProcesses) -> Population:
        """What a trial makes, in lockstep if a proof for its choices allows that.

        Numbers may differ from the proved ones: scoring proves again.
        """
        solution = self.solution.with_values(values)
        choices = choices_of(solution)
        if choices not in self.engines:
            _, batches, original = self.published.unlearning()
            self.engines[choices], *_ = choose_engine(None, original, solution, batches, self.pools(unlearners))
        return replace(self.published, solution=solution, engine=self.engines[choices])

    def cost(self, population: Population, unlearners: LocalProcesses, runs: int = 1) -> float:
        """Time of an unlearning over time of a retraining, by so many turns.

        It is neither decided nor kept, unlike the cost of a scoring: one turn tells the sampler where the cost rises, a trial's
        models are removed, and the finalists' few turns are compared with a limit that is a tenth below the competition's.
        """
        return estimate_cost(population, self.retrained, self.pools(unlearners), runs)

    def forecast(
        self,
        population: Population,
        models: int,
        unlearners: LocalProcesses,
        on_finished: Callable[[int], None] = lambda newly: None,
    ) -> float:
        """The score to be expected of a population, from so many models, which are made if they are missing.

        Raises:
            RunError: a run failed; what was finished is kept.
            KeyboardInterrupt: the user interrupted; what was finished is kept.
        """
        failed = shards.make(population, models, self.pools(unlearners), on_finished, self.reporter.notice)
        unlearned = without_test(shards.load(population, models, [run.model for run in failed]))
        return forecast(unlearned, without_test(shards.load(self.retrained, models)))


def prepare(config: TuningConfig, task: Task, path: Path, trainers: LocalProcesses, reporter: Reporter) -> Trials:
    """Make the models that trials start from, and those they are compared with.

    Args:
        config: of the tuning.
        task: what the solution is tuned to.
        path: of the solution.
        trainers: train networks.
        reporter: is told what takes time.

    Raises:
        InputError: the solution cannot be loaded, or has no search space.
        RunError: the solution failed with the published values.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    apart = ScoringConfig(
        solution=config.solution,
        task=config.task,
        data=config.data,
        seed=SEED + config.seed,
        runs=config.runs / "tuning",
    )
    new_runners = partial(runners_of, path, task, config.cores, (config.runs, config.data), reporter.notice)
    with new_runners() as runners:
        if not described(runners, path, (), None).search_space:  # before any model is made
            raise InputError(
                f"{path} has no SEARCH_SPACE, so nothing can be tuned; starting_kit/search_space.py says what it holds."
            )
        plan = make_plan(apart, task, path, None, Pools(trainers, runners), reporter)
    published, retrained = plan.populations["unlearned"], plan.populations["retrained"]
    solution = published.unlearning().solution
    engines = {choices_of(solution): published.engine}
    trials = Trials(published, retrained, config.models, trainers, plan.time_limit, new_runners, reporter, engines)
    trials.train(config.models)
    return trials


def choices_of(solution: Solution) -> tuple[Any, ...]:
    """The values that a solution takes from a list, in the order of its search space."""
    choices = (name for name, limits in solution.search_space.items() if limits.kind == "choice")
    return tuple(solution.hyperparameters[name] for name in choices)
