"""The best trials are judged again, by models that the search has not seen, and one is chosen.

The best of many trials owes part of its score to chance: to the models that it happened to be judged by. What it has with other
models is less, and the difference is reported.
"""

import datetime
import shutil
from dataclasses import dataclass

from evaluation.populations.population import Population
from evaluation.scoring import tuned
from evaluation.scoring.cost import TIMED_RUNS
from evaluation.tuning.study import at_ends, eligible, finished, values_of
from evaluation.tuning.trials import HIGHEST_COST, Trials
from starting_kit.errors import RunError, SolutionError, WorkerDiedError
from starting_kit.extras import needs

with needs("tune"):
    import optuna
    from optuna.trial import FrozenTrial

FINALISTS, TIMES = 5, 2  # trials that are judged again, with how many times their models: as many as ten trials make


@dataclass(frozen=True)
class Judged:
    """A trial that was judged again.

    Attributes:
        trial: it.
        population: of the models that are new.
        score: to be expected from them.
        cost: of its values, by several timings; the search has only one.
    """

    trial: FrozenTrial
    population: Population
    score: float
    cost: float

    @property
    def optimism(self) -> float:
        """How much higher its score was in the search."""
        return float(self.trial.user_attrs["score"]) - self.score


def choose(study: optuna.Study, common: Trials) -> tuned.Entry:
    """Judge the best trials again, and give what is kept of the one that is best now.

    Raises:
        RunError: none of all trials stayed within the cost limit.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    fresh, models = common.afresh(), TIMES * common.models
    best = eligible(study)
    if best:
        fresh.train(models)
    finalists: list[Judged] = []
    for trial in best:
        found = judge_again(trial, fresh, models)
        finalists += [found] if found else []
        if len(finalists) == FINALISTS:
            break
    if not finalists:
        raise RunError(
            f"None of {len(finished(study))} trials worked at less than {HIGHEST_COST:.0%} of a retraining; "
            "run more --trials, or give SEARCH_SPACE cheaper ranges."
        )
    for judged in finalists:
        shutil.rmtree(judged.population.folder)
    chosen = max(finalists, key=lambda judged: judged.score)
    if reached := at_ends(chosen.trial, common.solution.search_space):
        common.reporter.say(
            f"At an end of its range: {', '.join(reached)}. If the method is itself beyond it, give SEARCH_SPACE a wider one."
        )
    return tuned.Entry(
        task_version=common.published.task.version,
        values=values_of(chosen.trial, common.solution.search_space),
        score=round(chosen.score, 6),
        cost=round(chosen.cost, 3),
        models=models,
        trials=len(finished(study)),
        judged_again=len(finalists),
        optimism=round(finalists[0].optimism, 6),
        date=datetime.date.today().isoformat(),
    )


def judge_again(trial: FrozenTrial, fresh: Trials, models: int) -> Judged | None:
    """What new models say of a trial's values; None where they fail or cost too much.

    Args:
        trial: of the search.
        fresh: makes the models.
        models: how many.

    Raises:
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    name, population = f"trial {trial.number + 1} again", None
    # Workers that a trial has killed, or left in a strange state, end with it.
    with fresh.runners() as unlearners:
        try:
            population = fresh.population(values_of(trial, fresh.solution.search_space), unlearners)
            cost = fresh.cost(population, unlearners, TIMED_RUNS)
            if cost > HIGHEST_COST:
                fresh.reporter.say(f"{name}: too dear, cost {cost:.0%}")
                return None
            with fresh.reporter.stage(name, models) as on_finished:
                score = fresh.forecast(population, models, unlearners, on_finished)
        except (SolutionError, WorkerDiedError) as error:
            fresh.reporter.say(f"{name}: failed: {error}")
            if population and population.folder.exists():
                shutil.rmtree(population.folder)
            return None
    fresh.reporter.say(f"{name}: score {score:.4f}, in the search {trial.user_attrs['score']:.4f}, cost {cost:.0%}")
    return Judged(trial, population, score, cost)
