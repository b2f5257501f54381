"""Package a solution as a notebook of the competition, try it here, and submit it on Kaggle.

Without further options the notebook and its description are written to submissions/<solution>/. --check executes exactly
that notebook in a folder laid out as Kaggle's, loads its checkpoints into the competition's network, and compares their weights
with those that score.py gets from the same seeds: they must be equal. --push sends it with the official client, which runs it,
and fetches what it wrote; --submit also submits that version and waits for its score, which is recorded in
results/reported.csv. What was done is written down, so nothing is sent twice: whatever happens in between, --resume goes on.
What is submitted is the version that was pushed, recognised by a fingerprint in its output; else nothing is.

Hyper-parameters have the values with which score.py scores the solution on the same --task: those that tune.py has fitted, if
there are any (--hyperparameters published for the file's own), and --set before both. They are printed.

    python submit.py --solution scl_improved --check
    python submit.py --solution scl_improved --user NAME --dry-run
    python submit.py --solution scl_improved --user NAME --submit
    python submit.py --solution scl_improved --resume

Exit codes: 0 done; 1 the work failed; 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import json
import math
import os
from pathlib import Path

from evaluation.reports import reported
from evaluation.reports.console import ConsoleReporter
from evaluation.scoring import submission_check
from evaluation.scoring.config import ScoringConfig, data_folder
from evaluation.scoring.scorer import tuned_values
from evaluation.shell import command_parser, run_command
from starting_kit import contract
from starting_kit.contract import Solution
from starting_kit.errors import InputError
from starting_kit.files import require_writable, write_json
from starting_kit.kaggle import client, image, submission
from starting_kit.kaggle.flow import Flow
from starting_kit.kaggle.state import State


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    options = parser().parse_args(arguments)
    return run_command(lambda: submit(options), options.debug)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    parser = command_parser("submit.py", __doc__)
    add = parser.add_argument
    add("--solution", required=True, metavar="NAME|PATH", help=f"one of {', '.join(contract.zoo())}, or a .py file")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")
    add("--task", default="digits", help="the task of score.py whose tuned values are taken (default: %(default)s)")
    add(
        "--hyperparameters",
        choices=("tuned", "published"),
        help="those that tune.py has fitted to the task, or those of the solution's file (default: tuned, if there are any)",
    )
    add("--user", default=os.environ.get("KAGGLE_USERNAME"), metavar="NAME", help="on Kaggle (default: $KAGGLE_USERNAME)")
    add("--title", help="of the notebook; its address is made of it (default: Unlearning: <solution>)")
    add("--accelerator", default="NvidiaTeslaT4", metavar="ID", help="default: %(default)s, two of them, of which one is used")
    add("--seed", type=int, default=0, help="every run's seed derives from it (default: %(default)s)")
    add("--half", action="store_true", help="float16 checkpoints, which take half the space")
    add("--hours", type=float, default=8.0, metavar="H", help="stop if it would take longer (default: %(default)s, the limit)")
    add("--out", type=Path, default=Path("submissions"), metavar="DIR", help="default: %(default)s")
    add("--check", action="store_true", help="execute the notebook here and compare its weights with those of score.py")
    add("--data", type=Path, metavar="DIR", help="the competition's folder for --check (default: one made from digits)")
    add("--models", type=int, default=3, metavar="N", help="runs of --check (default: %(default)s)")
    sending = parser.add_mutually_exclusive_group()
    sending.add_argument("--dry-run", action="store_true", help="say what would be sent")
    sending.add_argument("--push", action="store_true", help="run it on Kaggle, and fetch its output")
    sending.add_argument("--submit", action="store_true", help="push it, submit that version, and wait for its score")
    sending.add_argument("--resume", action="store_true", help="go on where --push or --submit stopped")
    add("--poll", type=float, default=30.0, metavar="S", help="seconds between questions to Kaggle (default: %(default)s)")
    add("--results", type=Path, default=Path("results"), metavar="DIR", help="for reported.csv (default: %(default)s)")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def submit(options: argparse.Namespace) -> None:
    """Write the notebook, and do with it what was asked for.

    Raises:
        InputError: an option or the solution is wrong.
        RunError: the notebook fails, its weights are not those that are scored, or Kaggle refuses.
    """
    if options.solution.endswith(".ipynb"):
        raise InputError(
            f"submit.py makes notebooks of .py files; {options.solution} is one, and if it follows the competition's contract, "
            "it is pushed as it is: kaggle kernels push."
        )
    solution = describe(options)
    if solution.trains:
        raise InputError(
            f"{solution.name} unlearns only what its own trainer makes, and the competition gives its original model; there is "
            "nothing to submit."
        )
    folder = options.out / solution.name
    require_writable(folder, "--out")
    if not options.resume:
        write(solution, folder, options)
    if options.dry_run:
        say_what_would_be_sent(folder)
    if options.push or options.submit or options.resume:
        send(solution, folder, options)


def describe(options: argparse.Namespace) -> Solution:
    """The solution, with the values that score.py takes.

    Raises:
        InputError: there is no such solution or task, or a value is wrong.
    """
    config = ScoringConfig(
        solution=options.solution,
        task=options.task,
        data=options.data or data_folder(),
        hyperparameters=options.hyperparameters,
        set=tuple(options.set),
    )
    path = contract.find(options.solution)
    return contract.describe(path, config.set, tuned_values(config, config.find_task(), path))


def values(solution: Solution, task: str) -> str:
    """The values of hyper-parameters, and where they come from."""
    of_file = {name: value for name, value in solution.hyperparameters.items() if name not in solution.overrides}
    fitted = {name: value for name, value in solution.overrides.items() if name not in solution.settings}
    groups = {"set": solution.settings, f"tuned for {task}": fitted, "published, or the file's own": of_file}
    named = [f"{source}: {', '.join(f'{n}={v}' for n, v in group.items())}" for source, group in groups.items() if group]
    return "; ".join(named) or "none"


def write(solution: Solution, folder: Path, options: argparse.Namespace) -> None:
    """Write the notebook and its description, and check it if that is wanted.

    Raises:
        InputError: an option is wrong, or the solution cannot be written into a notebook.
        RunError: the notebook fails, or its weights are not those that are scored.
    """
    if not 0 < options.hours < math.inf:
        raise InputError(f"--hours {options.hours} must be a number of hours above 0.")
    if options.models < 1:
        raise InputError(f"--models {options.models} is too few; --check needs at least 1 run.")
    reporter = ConsoleReporter()
    title = options.title or f"Unlearning: {solution.name.replace('_', ' ')}"
    sending = options.push or options.submit
    user = options.user or (client.user() if sending else None)
    if user:
        write_json(folder / submission.METADATA, submission.metadata(user, title, options.accelerator))
    elif sending or options.dry_run:
        raise InputError("The notebook's address on Kaggle has your name in it: give --user or $KAGGLE_USERNAME.")
    else:
        submission.slug_of(title)
        reporter.notice(f"{submission.METADATA} is not written, because it names the user: give --user or $KAGGLE_USERNAME.")
    with reporter.waiting("Trying the solution"):
        batches = submission_check.find_batches(solution)
        move = submission_check.must_move_batches(solution, batches, reporter)
    notebook = submission.notebook(solution, batches, move, title, options.seed, options.half, options.hours)
    write_json(folder / submission.NOTEBOOK, notebook)
    print(f"written: {folder}\nvalues: {values(solution, options.task)}")
    if options.check:
        for module in image.missing(solution):
            reporter.notice(f"{solution.name} imports {module}, which Kaggle's image is not known to have.")
        made = submission.notebook(solution, batches, move, "check", options.seed, half=False, hours=options.hours)
        submission_check.check(made, solution, batches, options.seed, options.models, options.data, reporter)
        print(
            f"checked: the notebook's {options.models} models have the weights that are scored, bit for bit, and load into the "
            "competition's network"
        )


def say_what_would_be_sent(folder: Path) -> None:
    """Print the description, and the size of the notebook."""
    metadata = json.loads((folder / submission.METADATA).read_text(encoding="utf-8"))
    for name, value in metadata.items():
        print(f"{name:20} {value}")
    size = (folder / submission.NOTEBOOK).stat().st_size
    print(f"--push would send {folder / submission.NOTEBOOK}, {size:,} bytes, as the next version of {metadata['id']}.")
    print(f"--submit would submit what that version writes to {submission.COMPETITION}. Nothing was sent.")


def send(solution: Solution, folder: Path, options: argparse.Namespace) -> None:
    """Push, follow, fetch, and if it is wanted submit and record the score.

    Raises:
        InputError: no credentials, or another process is at it.
        RunError: Kaggle refused or did not answer, or the notebook failed there.
    """
    reporter = ConsoleReporter()
    with reporter.waiting("Kaggle") as show, Flow(folder, options.poll, write_json, reporter.say, show) as flow:
        state = flow.resume() if options.resume else flow.begin(reported.settings_of(solution), options.submit)
        flow.advance(state)
    if state.submit:
        record(solution, state, options.results / reported.FILE)
    else:
        print(f"{state.kernel} ran to its end; --submit submits version {state.version}.")


def record(solution: Solution, state: State, path: Path) -> None:
    """Write down the scores that Kaggle gave, beside the measured ones."""
    for board, score in (("public", state.public), ("private", state.private)):
        if score is not None:
            reported.add(path, f"{state.kernel} version {state.version}", solution.name, state.settings, score, board)
            print(f"{board} score: {score:g}")
    print(f"recorded in {path}; evaluation/leaderboard.py --reported shows it beside the measured score")
