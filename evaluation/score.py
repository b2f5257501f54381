"""Score an unlearning algorithm as the NeurIPS 2023 Machine Unlearning challenge did.

A solution is run N times on a trained network, N networks are trained without the forget set, and for each forget example
an attacker tries to tell the two populations apart by its confidence. The score is the forgetting quality times how much
accuracy was kept. It goes to results/<task>/<solution>.json; what was computed goes to runs/ and is used again.

    python evaluation/score.py --solution scl_improved
    python evaluation/score.py --solution my_solution.py --models 64
    python evaluation/score.py --solution finetune --set epochs=3 --set learning_rate=0.01

Exit codes: 0 done; 1 the work failed (the solution raised); 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from evaluation import populations, scorecard, terminal
from evaluation.executors import InWorker, LocalProcesses
from evaluation.outputs import Outputs
from evaluation.populations import Population
from evaluation.store import DamagedFileError, require_writable, write_json
from starting_kit import contract, tasks
from starting_kit.contract import Batches, Solution
from starting_kit.errors import InputError, RunError
from starting_kit.tasks import ONE_AT_A_TIME, Engine

TIMED_RUNS = 3


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line (exits with 2 where it is wrong)."""
    parser = terminal.command_parser("score.py", __doc__)
    add = parser.add_argument
    add("--solution", required=True, metavar="NAME|PATH", help=f"one of {', '.join(contract.zoo())}, or a .py file")
    add("--task", default="digits", help=f"one of {', '.join(tasks.names())} (default: %(default)s)")
    add(
        "--models",
        type=int,
        default=scorecard.DEFAULT_MODELS,
        metavar="N",
        help="models in each population (default: %(default)s)",
    )
    add("--seed", type=int, default=0, help="all models' seeds derive from it (default: %(default)s)")
    add("--workers", type=int, default=None, metavar="W", help="processes, one thread each (default: one per core)")
    add(
        "--engine",
        choices=("lockstep", "single"),
        help="call the solution for several models at once, or for one at a time (default: lockstep, if a trial with three "
        "models proves that each gets the weights it gets alone)",
    )
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where populations are kept (default: %(default)s)")
    add("--results", type=Path, default=Path("results"), metavar="DIR", help="where scorecards go (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the scorecard to this file as well")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        card, path = score(options)
    except (InputError, RunError) as error:
        if options.debug:
            traceback.print_exc()
        terminal.error(error)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        terminal.messages.print("Stopped. What was finished is kept; run the same command to go on.")
        return 130
    terminal.summary(card, terminal.Console(highlight=False))
    print(f"scorecard: {path}")
    return 0


def score(options: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """Make the populations that are missing, compare them, write the scorecard; give it and its path.

    Raises:
        InputError: an option or the solution is wrong.
        RunError: the solution failed; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    task, path = tasks.find(options.task), contract.find(options.solution)
    check_options(options)
    models, workers = options.models, options.workers or available_cores()
    seconds: dict[str, float] = {}

    def make(kind: str, executor: LocalProcesses) -> None:
        start = time.monotonic()
        with terminal.stage(kind.replace("_", " "), models) as on_finished:
            populations.make(kinds[kind], models, executor, on_finished, terminal.notice)
        seconds[kind] = time.monotonic() - start

    # A process that has run a solution trains nothing: whatever a solution changes in its process ends with it.
    with LocalProcesses(workers, terminal.notice) as trainers:
        with LocalProcesses(workers, terminal.notice) as unlearners:
            kinds, why = define_populations(options, task, path, trainers, unlearners)
            make("unlearned", unlearners)
            cost = measure_cost(kinds["unlearned"], kinds["retrained"], trainers, unlearners)
        for kind in ("retrained", "second_retrained", "original"):
            make(kind, trainers)
    start = time.monotonic()
    outputs = load_all(kinds, models)
    card = scorecard.build(kinds["unlearned"], why, models, outputs, cost, seconds, workers)
    card["seconds"]["metric"] = time.monotonic() - start
    solution = kinds["unlearned"].solution
    assert solution is not None
    variant = scorecard.variant(solution.overrides, models, options.seed, options.engine)
    written = scorecard.write(card, options.results, variant)
    if options.json:
        write_json(options.json, card)
    return card, written


def check_options(options: argparse.Namespace) -> None:
    """Find out before the work begins what would spoil it at the end.

    Raises:
        InputError: a number out of range, a folder that cannot be written to.
    """
    if options.models < 3:
        raise InputError(f"--models {options.models} is too few; the metric needs at least 3 (the competition took 512).")
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers} is too few; at least 1 process is needed.")
    if options.seed < 0:
        raise InputError(f"--seed {options.seed} must not be negative.")
    require_writable(options.runs, "--runs")
    require_writable(options.results / options.task, "--results")
    if options.json:
        require_writable(options.json.parent, "--json")
        if options.json.is_dir():
            raise InputError(f"--json {options.json} is a folder; give the name of a file.")


def define_populations(
    options: argparse.Namespace, task: tasks.Task, path: Path, trainers: LocalProcesses, unlearners: LocalProcesses
) -> tuple[dict[str, Population], str]:
    """The four populations, and why the solution runs in lockstep or does not.

    The original model is made, and the solution tried on it, to know what it reads and whether it may run in lockstep.
    """
    solution = unlearners.run(InWorker("describe_solution"), path, options.set)
    engine, notice = trainers.run(InWorker("usable_engine"), task)
    if notice:
        terminal.notice(notice)
    original, retrained, second = (
        Population(task, kind, options.seed, options.runs, engine) for kind in ("original", "retrained", "second_retrained")
    )
    with terminal.messages.status("Preparing the original model"):
        populations.make_original(original, trainers, terminal.notice)
    with terminal.messages.status("Trying the solution"):
        batches = unlearners.run(InWorker("find_batches"), original, solution)
        lockstep, why = choose_lockstep(options.engine, original, solution, batches, unlearners)
    engine = Engine("grouped", task.unlearned_at_once) if lockstep else ONE_AT_A_TIME
    unlearned = Population(task, "unlearned", options.seed, options.runs, engine, solution, batches, original)
    return {"original": original, "retrained": retrained, "second_retrained": second, "unlearned": unlearned}, why


def choose_lockstep(
    wanted: str | None, original: Population, solution: Solution, batches: Batches, unlearners: LocalProcesses
) -> tuple[bool, str]:
    """Whether a solution runs in lockstep, and why."""
    if wanted:
        return wanted == "lockstep", f"--engine {wanted}"
    objection = unlearners.run(InWorker("objection_to_lockstep"), original, solution, batches)
    return objection is None, objection or "three models at once get the weights that each gets alone"


def measure_cost(unlearned: Population, retrained: Population, trainers: LocalProcesses, unlearners: LocalProcesses) -> float:
    """Median time of an unlearning over median time of a retraining, by turns, while nothing else runs."""
    unlearning, retraining = [], []
    with terminal.messages.status("Timing the solution against retraining"):
        for model in range(TIMED_RUNS):
            unlearning.append(unlearners.run(InWorker("time_unlearning"), unlearned, model))
            retraining.append(trainers.run(InWorker("time_retraining"), retrained, model))
    return median(unlearning) / median(retraining)


def load_all(kinds: dict[str, Population], models: int) -> dict[str, Outputs]:
    """Outputs of the populations.

    Raises:
        RunError: a shard was damaged after it had been made.
    """
    try:
        return {kind: populations.load(population, models) for kind, population in kinds.items()}
    except DamagedFileError as error:
        raise RunError(f"{error} was damaged or removed; run the same command to make it again.") from error


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
