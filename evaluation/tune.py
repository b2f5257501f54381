"""Fit the hyper-parameters of a solution to a task.

Published values were chosen for other networks and data. This looks for better ones within the ranges that the solution's
SEARCH_SPACE gives: for the highest score among those that cost at most 18 % of a retraining (the competition allowed 20 %, and
timing is noisy). Nothing that scoring uses is looked at: all models, original and retrained, have other seeds, and accuracy is
measured on the validation images instead of the test images.

The first trial has the published values, the others of the first half are drawn at random, and the rest is proposed by
Gaussian processes (Optuna's) of score and cost. A trial starts from four original models in turn, because what suits one need
not suit another, and is judged by the score to be expected with 512 models, from means and deviations of the confidences,
because few models flatter solutions that vary too little. One that is hopeless or costs too much ends after a quarter of its
models. The best three are compared once more, with four times as many models. The winner's values go to tuned/<task>.json
beside the solution, where score.py finds them.

    python evaluation/tune.py --solution scl_improved
    python evaluation/tune.py --solution my_solution.py --trials 100

Everything is kept in runs/tuning/: after an interruption of any kind, or with more --trials, the same command goes on.

Exit codes: 0 done; 1 the work failed; 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import datetime
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.options import add_data_options, cores
from evaluation.populations.executors import LocalProcesses, WorkerDiedError
from evaluation.populations.population import Population
from evaluation.reports import console
from evaluation.scoring.experiment import TIMED_RUNS
from evaluation.tuning import trials, tuned
from evaluation.tuning.trials import HIGHEST_COST, ORIGINALS, Trials
from starting_kit import contract, tasks
from starting_kit.errors import InputError, RunError, SolutionError
from starting_kit.files import identity_key, require_writable

STUDY_FORMAT = 2  # raised when trials mean something else
RANDOM_SHARE = 0.5  # of the trials; they spread over the whole space, the others gather where these were good
HOPELESS = 0.2  # of the best score so far: with few models, what is as good as the best is expected to have 0.4 of it
FAR_TOO_MUCH = 3  # times the highest cost: such a trial makes no models
FEW = 4  # a trial may end after the number of its models divided by this
FINALISTS, FINAL_TIMES = 3, 4  # how many trials are compared again, with how many times their models
LOWEST = 1e-5  # score of a trial that has none; smaller ones count as this, because the sampler sees logarithms
FAILED_COST = 1.0  # of a trial that failed


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = console.command_parser("tune.py", __doc__)
    add = parser.add_argument
    add("--solution", required=True, metavar="NAME|PATH", help="what to tune: a solution of the zoo, or a .py file")
    add_data_options(parser)
    add("--trials", type=int, default=40, metavar="T", help="how many, with those of earlier runs (default: %(default)s)")
    add("--models", type=int, default=128, metavar="N", help="models of a trial (default: %(default)s)")
    add("--seed", type=int, default=0, help="the models' seeds derive from it (default: %(default)s)")
    add("--workers", type=int, default=None, metavar="W", help="processes, one thread each (default: one per core)")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where trials are kept (default: %(default)s)")
    add("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    return console.run_command(lambda: tune(options), options.debug)


def tune(options: argparse.Namespace) -> None:
    """Find the best values and keep them.

    Raises:
        InputError: an option or the solution is wrong, or another process tunes it.
        RunError: no trial stayed within the cost limit, or a file cannot be written; finished trials are kept.
        KeyboardInterrupt: the user interrupted; finished trials are kept.
    """
    check(options)
    task, path = tasks.find(options.task, options.data), contract.find(options.solution)
    require_writable(options.runs / "tuning", "--runs")
    with LocalProcesses(cores(options), console.notice) as trainers:
        common = trials.prepare(options, task, path, trainers, cores(options))
        with open_study(common) as study:
            run_trials(study, common, options.trials)
            entry = choose(study, common)
    written = tuned.write(path, task, entry)
    print(f"{path.stem} on {task.name}: score {entry['score']:.4f} at {entry['cost']:.0%} of a retraining")
    for name, value in entry["values"].items():
        print(f"  {name} = {value}")
    print(f"tuned values: {written}")


def check(options: argparse.Namespace) -> None:
    """Find out before the work begins what would spoil it.

    Raises:
        InputError: a number out of range.
    """
    for option, least in (("trials", 1), ("models", FEW * ORIGINALS * FEWEST_MODELS), ("workers", 1), ("seed", 0)):
        value = getattr(options, option)
        if value is not None and value < least:
            raise InputError(f"--{option} {value} is too few; at least {least} is needed.")


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
    """Run the trials that are missing (errors as for `tune`)."""
    with console.trials(f"Tuning {common.solution.name}", wanted) as on_finished:
        while (done := len(finished(study))) < wanted:
            on_finished(done, best_score(study), "")
            # Workers that a trial has killed, or left in a strange state, end with it.
            with LocalProcesses(common.workers, console.notice) as unlearners:
                for number in range(done, wanted):
                    # A new sampler each time: what it proposes depends on the trials so far, not on interruptions.
                    study.sampler = optuna.samplers.GPSampler(seed=number, n_startup_trials=math.ceil(RANDOM_SHARE * wanted))
                    succeeded, verdict = run_trial(study, common, unlearners)
                    on_finished(number + 1, best_score(study), f"trial {number + 1}: {verdict}")
                    if not succeeded:
                        break


def run_trial(study: optuna.Study, common: Trials, unlearners: LocalProcesses) -> tuple[bool, str]:
    """One trial: whether the solution worked, and a verdict for people (other errors as for `tune`)."""
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


def choose(study: optuna.Study, common: Trials) -> dict[str, Any]:
    """Compare the best trials again, with more models, and give what is kept of the winner (errors as for `tune`)."""
    models = FINAL_TIMES * common.models
    common.retrain(models)
    finalists: list[tuple[float, float, dict[str, Any]]] = []
    tried: set[Path] = set()  # by the folders of their models: several trials may have had the same values
    with LocalProcesses(common.workers, console.notice) as unlearners:
        for trial in sorted(eligible(study), key=lambda trial: trial.user_attrs["score"], reverse=True):
            values = trials.values_of(trial, common.solution.search_space)
            population = common.population(values, unlearners)
            if population.folder in tried:
                continue
            tried.add(population.folder)
            if (cost := common.cost(population, unlearners, TIMED_RUNS)) <= HIGHEST_COST:  # the trial's one timing is noisy
                with console.stage(f"trial {trial.number + 1} again", models) as on_finished:
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
    return {
        "values": values,
        "score": round(score, 6),
        "cost": round(cost, 3),
        "models": models,
        "trials": len(finished(study)),
        "date": datetime.date.today().isoformat(),
    }


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were not interrupted."""
    return study.get_trials(states=[TrialState.COMPLETE])


def eligible(study: optuna.Study) -> list[FrozenTrial]:
    """Trials whose values may be chosen: cheap enough, and with a score."""
    return [t for t in finished(study) if t.user_attrs["cost"] <= HIGHEST_COST and t.user_attrs["score"] > 0]


def best_score(study: optuna.Study) -> float:
    """The highest score of eligible trials, 0 without any."""
    return max((trial.user_attrs["score"] for trial in eligible(study)), default=0.0)


if __name__ == "__main__":
    sys.exit(main())
