"""Trials of hyper-parameters, one after another."""

import math
import shutil

from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.scoring import tuned
from evaluation.scoring.reporter import SILENT, Reporter
from evaluation.tuning import choice, trials
from evaluation.tuning.config import FEW, TuningConfig
from evaluation.tuning.study import best_score, finished, next_trial, open_study, repeated, values_of
from evaluation.tuning.trials import HIGHEST_COST, Trials
from starting_kit import contract, tasks
from starting_kit.errors import SolutionError, WorkerDiedError
from starting_kit.extras import needs
from starting_kit.files import require_writable

with needs("tune"):
    import optuna
    from optuna.trial import Trial

HOPELESS = 0.2  # of the best score so far: with few models, what is as good as the best is expected to have 0.4 of it
FAR_TOO_MUCH = 3  # times the highest cost: such a trial makes no models
LOWEST = 1e-5  # score of a trial that has none; smaller ones count as this, because the sampler sees logarithms
FAILED_COST = 1.0  # of a trial that failed


def tune(config: TuningConfig, reporter: Reporter = SILENT) -> tuned.Entry:
    """Find the best values and keep them, beside the solution.

    Args:
        config: of the tuning.
        reporter: is told what takes time.

    Returns:
        The winner's values, and how they were found.

    Raises:
        InputError: the configuration or the solution is wrong, or another process tunes it.
        RunError: no trial stayed within the cost limit, or a file cannot be written; finished trials are kept.
        KeyboardInterrupt: the user interrupted; finished trials are kept.
    """
    config.check()
    task, path = tasks.find(config.task, config.data), contract.find(config.solution)
    require_writable(config.runs / "tuning", "--runs")
    beside = tuned.path(path, task.name).parent
    require_writable(beside if beside.exists() else path.parent, "--solution")  # an installed zoo may be read-only
    with LocalProcesses(config.cores, reporter.notice) as trainers:
        common = trials.prepare(config, task, path, trainers, reporter)
        earlier = tuned.read(path, task)
        with open_study(common, earlier.values if earlier else None) as study:
            run_trials(study, common, config.trials)
            if again := repeated(study):
                reporter.say(f"{again} proposals had values that were tried before; others were drawn in their place.")
            entry = choice.choose(study, common)
    tuned.write(path, task, entry)
    return entry


def run_trials(study: optuna.Study, common: Trials, wanted: int) -> None:
    """Run the trials that are missing, each with values that no other had."""
    with common.reporter.trials(f"Tuning {common.solution.name}", wanted) as on_finished:
        while (done := len(finished(study))) < wanted:
            on_finished(done, best_score(study))
            # Workers that a trial has killed, or left in a strange state, end with it.
            with common.runners() as unlearners:
                for number in range(done, wanted):
                    trial = next_trial(study, common.solution.search_space, wanted)
                    if trial is None:
                        common.reporter.say(
                            f"All {number} values of the search space were tried: tuning ends after {number} trials."
                        )
                        return
                    succeeded, verdict = run_trial(trial, study, common, unlearners)
                    on_finished(number + 1, best_score(study))
                    common.reporter.say(f"trial {number + 1}: {verdict}")
                    if not succeeded:
                        break


def run_trial(trial: Trial, study: optuna.Study, common: Trials, unlearners: LocalProcesses) -> tuple[bool, str]:
    """One trial: whether the solution worked, and a verdict for people."""
    solution = common.solution
    best = best_score(study)
    values = values_of(trial, solution.search_space)
    try:
        population = common.population(values, unlearners)
        cost = common.cost(population, unlearners)
        models, score = judge(population, cost, best, common, unlearners)
        succeeded, verdict = True, f"score {score:.4f} to be expected from {models} models, cost {cost:.0%}"
    except (SolutionError, WorkerDiedError) as error:
        models, score, cost = 0, 0.0, FAILED_COST
        succeeded, verdict = False, f"failed: {error}"
    for name, value in (("cost", cost), ("score", score), ("models", models)):
        trial.set_user_attr(name, value)
    trial.set_constraint("cost", cost - HIGHEST_COST)
    study.tell(trial, math.log(max(score, LOWEST)))
    if best_score(study) > best:
        verdict += f"; the best so far: {', '.join(f'{name} {value}' for name, value in values.items())}"
    if succeeded and population.folder.exists():
        shutil.rmtree(population.folder)  # ten megabytes or more, which only an interrupted trial would use again
    return succeeded, verdict


def judge(population: Population, cost: float, best: float, common: Trials, unlearners: LocalProcesses) -> tuple[int, float]:
    """How many models were made, and the score to be expected from them.

    Args:
        population: of the trial.
        cost: of its values.
        best: score of the trials so far.
        common: to all trials.
        unlearners: make the models.
    """
    if cost > FAR_TOO_MUCH * HIGHEST_COST:
        return 0, 0.0
    few = math.ceil(common.models / FEW)
    score = common.forecast(population, few, unlearners)
    if cost > HIGHEST_COST or score < HOPELESS * best:
        return few, score
    return common.models, common.forecast(population, common.models, unlearners)
