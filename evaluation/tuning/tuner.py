"""Trials of hyper-parameters, one after another, and the choice among the best."""

import datetime
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from evaluation.populations.executors import LocalProcesses, WorkerDiedError
from evaluation.populations.population import Population
from evaluation.scoring import tuned
from evaluation.scoring.cost import TIMED_RUNS
from evaluation.scoring.reporter import SILENT, Reporter
from evaluation.tuning import trials
from evaluation.tuning.config import FEW, TuningConfig
from evaluation.tuning.trials import HIGHEST_COST, Trials
from starting_kit import contract, tasks
from starting_kit.errors import InputError, RunError, SolutionError
from starting_kit.extras import needs
from starting_kit.files import identity_key, require_writable

with needs("tune"):
    import optuna
    from optuna.trial import FrozenTrial, TrialState

STUDY_FORMAT = 2  # raised when trials mean something else
RANDOM_SHARE = 0.5  # of the trials; they spread over the whole space, the others gather where these were good
HOPELESS = 0.2  # of the best score so far: with few models, what is as good as the best is expected to have 0.4 of it
FAR_TOO_MUCH = 3  # times the highest cost: such a trial makes no models
FINALISTS, FINAL_TIMES = 3, 4  # how many trials are compared again, with how many times their models
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
        with open_study(common) as study:
            run_trials(study, common, config.trials)
            entry = choose(study, common)
    tuned.write(path, task, entry)
    return entry


@contextmanager
def open_study(common: Trials) -> Iterator[optuna.Study]:
    """The trials so far, in a file of Optuna's; one that was under way when its process died will be the next.

    Raises:
        InputError: another process tunes the same.
    """
    solution = common.solution
    identity = {
        **common.published.identity(),
        "search_space": repr(solution.search_space),
        "models": common.models,
        "format": STUDY_FORMAT,
    }
    file = common.retrained.folder.parent / f"study-{solution.name}-{identity_key(identity)}.db"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with FileLock(file.with_suffix(".lock"), timeout=0):
            study = optuna.create_study(
                storage=f"sqlite:///{file.resolve()}",
                study_name=solution.name,
                load_if_exists=True,
                direction="maximize",
            )
            if not study.trials:
                study.enqueue_trial({name: limits.start for name, limits in solution.search_space.items()})
            for trial in study.get_trials(states=[TrialState.RUNNING]):
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params)
            yield study
    except Timeout as error:
        raise InputError(f"{solution.name} is being tuned by another process; wait for it.") from error


def run_trials(study: optuna.Study, common: Trials, wanted: int) -> None:
    """Run the trials that are missing."""
    with common.reporter.trials(f"Tuning {common.solution.name}", wanted) as on_finished:
        while (done := len(finished(study))) < wanted:
            on_finished(done, best_score(study))
            # Workers that a trial has killed, or left in a strange state, end with it.
            with LocalProcesses(common.workers, common.reporter.notice) as unlearners:
                for number in range(done, wanted):
                    # A new sampler each time: what it proposes depends on the trials so far, not on interruptions.
                    study.sampler = optuna.samplers.GPSampler(seed=number, n_startup_trials=math.ceil(RANDOM_SHARE * wanted))
                    succeeded, verdict = run_trial(study, common, unlearners)
                    on_finished(number + 1, best_score(study))
                    common.reporter.say(f"trial {number + 1}: {verdict}")
                    if not succeeded:
                        break


def run_trial(study: optuna.Study, common: Trials, unlearners: LocalProcesses) -> tuple[bool, str]:
    """One trial: whether the solution worked, and a verdict for people."""
    solution = common.solution
    best = best_score(study)
    trial = study.ask()
    values = trials.propose(trial, solution.search_space)
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


def choose(study: optuna.Study, common: Trials) -> tuned.Entry:
    """Compare the best trials again, with more models, and give what is kept of the winner."""
    models = FINAL_TIMES * common.models
    common.train(models)
    finalists: list[tuple[float, float, dict[str, Any]]] = []
    tried: set[Path] = set()  # by the folders of their models: several trials may have had the same values
    with LocalProcesses(common.workers, common.reporter.notice) as unlearners:
        for trial in sorted(eligible(study), key=lambda trial: trial.user_attrs["score"], reverse=True):
            values = trials.values_of(trial, common.solution.search_space)
            population = common.population(values, unlearners)
            if population.folder in tried:
                continue
            tried.add(population.folder)
            if (cost := common.cost(population, unlearners, TIMED_RUNS)) <= HIGHEST_COST:  # the trial's one timing is noisy
                with common.reporter.stage(f"trial {trial.number + 1} again", models) as on_finished:
                    score = common.forecast(population, models, unlearners, on_finished)
                finalists.append((score, cost, values))
            if len(finalists) == FINALISTS:
                break
    if not finalists:
        raise RunError(
            f"None of {len(finished(study))} trials worked at less than {HIGHEST_COST:.0%} of a retraining; "
            "run more --trials, or give SEARCH_SPACE cheaper ranges."
        )
    for folder in filter(Path.exists, tried):
        shutil.rmtree(folder)
    score, cost, values = max(finalists, key=lambda finalist: finalist[0])
    return tuned.Entry(
        task_version=common.published.task.version,
        values=values,
        score=round(score, 6),
        cost=round(cost, 3),
        models=models,
        trials=len(finished(study)),
        date=datetime.date.today().isoformat(),
    )


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were not interrupted."""
    return study.get_trials(states=[TrialState.COMPLETE])


def eligible(study: optuna.Study) -> list[FrozenTrial]:
    """Trials whose values may be chosen: cheap enough, and with a score."""
    return [t for t in finished(study) if t.user_attrs["cost"] <= HIGHEST_COST and t.user_attrs["score"] > 0]


def best_score(study: optuna.Study) -> float:
    """The highest score of eligible trials, 0 without any."""
    return max((trial.user_attrs["score"] for trial in eligible(study)), default=0.0)
