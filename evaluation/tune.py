"""Fit the hyper-parameters of a solution to a task.

Published values were chosen for other networks and data. This looks for better ones within the ranges that the solution's
SEARCH_SPACE gives: for the highest score among those that cost at most 18 % of a retraining (the competition allowed 20 %, and
timing is noisy). Nothing that scoring uses is looked at: all models, original and retrained, have other seeds, and accuracy is
measured on the validation images instead of the test images.

The first trial has the published values, the second those that an earlier tuning has found, if any; the others of the first
half are drawn at random, and the rest is proposed by Gaussian processes (Optuna's) of score and cost. A trial starts from
many original models, because what suits one need not suit another, and is judged by the score to be expected with 512 models,
from means and deviations of the confidences, because few models flatter solutions that vary too little. One that is hopeless
or costs too much ends after a quarter of its models, and none has the values of another. The best five are judged again, by
twice as many models that start from other original models and are compared with other retrained ones: what the best trial
loses by that is the optimism of the search. The winner's values go to tuned/<task>.json beside the solution, where score.py
finds them.

    python evaluation/tune.py --solution scl_improved
    python evaluation/tune.py --solution my_solution.py --trials 100

Everything is kept in runs/tuning/: after an interruption of any kind, or with more --trials, the same command goes on.

Exit codes: 0 done; 1 the work failed; 2 the command line or an input file is wrong; 130 interrupted.
"""

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from evaluation.reports.console import ConsoleReporter
from evaluation.scoring import tuned
from evaluation.shell import add_data_options, command_parser, run_command
from evaluation.tuning.config import TuningConfig
from starting_kit import contract


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = command_parser("tune.py", __doc__)
    add = parser.add_argument
    add("--solution", required=True, metavar="NAME|PATH", help="what to tune: a solution of the zoo, or a .py file")
    add_data_options(parser)
    add("--trials", type=int, default=40, metavar="T", help="how many, with those of earlier runs (default: %(default)s)")
    add("--models", type=int, default=128, metavar="N", help="models of a trial (default: %(default)s)")
    add("--seed", type=int, default=0, help="the models' seeds derive from it (default: %(default)s)")
    add("--workers", type=int, default=None, metavar="W", help="processes, one thread each (default: one per core)")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where trials are kept (default: %(default)s)")
    add("--debug", action="store_true", help="show the traceback of an error")
    given = vars(parser.parse_args(arguments))
    debug = given.pop("debug")
    return run_command(lambda: show(TuningConfig(**given)), debug)


def show(config: TuningConfig) -> None:
    """Tune, and print the values that were found."""
    from evaluation.tuning.tuner import tune  # needs optuna, which --help does not

    entry = tune(config, ConsoleReporter())
    path = contract.find(config.solution)
    print(f"{path.stem} on {config.task}: score {entry.score:.4f} at {entry.cost:.0%} of a retraining")
    print(f"optimism of the search: {entry.optimism:.4f}, what its best trial lost when judged again")
    for name, value in entry.values.items():
        print(f"  {name} = {value}")
    print(f"tuned values: {tuned.path(path, config.task)}")


if __name__ == "__main__":
    sys.exit(main())
