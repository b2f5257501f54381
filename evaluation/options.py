"""The options of score.py."""

import argparse
import os
from pathlib import Path

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.reports import console
from evaluation.scoring import scorecard
from starting_kit import contract, tasks
from starting_kit.errors import InputError
from starting_kit.files import require_writable
from starting_kit.notebooks import extraction
from starting_kit.tasks import forget_requests, kaggle_layout
from starting_kit.tasks.task import Task

FOR_SOLUTIONS = (
    "task",
    "forget",
    "network",
    "epochs",
    "models",
    "originals",
    "seed",
    "engine",
    "device",
    "data_free",
    "pictures",
    "define",
    "set",
    "hyperparameters",
    "runs",
    "export",
)


def parse(arguments: list[str] | None, documentation: str | None) -> argparse.Namespace:
    """Read the command line (exits with 2 where it is wrong); `documentation` is what --help shows first."""
    return _parser(documentation).parse_args(arguments)


def _parser(documentation: str | None) -> argparse.ArgumentParser:
    parser = console.command_parser("score.py", documentation)
    add = parser.add_argument
    add("--solution", metavar="NAME|PATH", help=f"what to score: one of {', '.join(contract.zoo())}, a .py file, or a notebook")
    add("--retrained", type=Path, metavar="FILE", help="or: retrained models, an .npz file, and")
    add("--unlearned", type=Path, metavar="FILE", help="unlearned models, an .npz file")
    add(
        "--populations", type=Path, metavar="FOLDER", help="or: logits_retain.npy and <approach>/logits_unlearn.npy in a folder"
    )
    add_data_options(parser)
    add("--forget", metavar="KIND", help=f"what is to be forgotten: {forget_requests.FORMS} (default: the task's)")
    add(
        "--network",
        metavar="N",
        help="the network: one of ours, torchvision's by its name, timm's as timm:NAME (default: the task's)",
    )
    add("--epochs", type=int, metavar="E", help="epochs of training (default: the task's)")
    add("--list-tasks", action="store_true", help="say which tasks there are, what they need, and whether that is in --data")
    add(
        "--models",
        type=int,
        default=scorecard.DEFAULT_MODELS,
        metavar="N",
        help="models in each population (default: %(default)s)",
    )
    add(
        "--originals",
        type=int,
        default=1,
        metavar="K",
        help="original models that unlearning starts from, in turn: 1 as in the competition, N as the definition of unlearning "
        "has it (default: %(default)s)",
    )
    add("--seed", type=int, default=0, help="all models' seeds derive from it (default: %(default)s)")
    add("--workers", type=int, default=None, metavar="W", help="processes, one thread each (default: one per core)")
    add(
        "--engine",
        choices=("lockstep", "single"),
        help="call the solution for several models at once, or for one at a time (default: lockstep, if a trial with three "
        "models proves that each gets the weights it gets alone)",
    )
    add(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where models are trained and unlearned; all --workers share one GPU (default: %(default)s)",
    )
    add(
        "--data-free",
        action="store_true",
        help="give the solution loaders that know their classes, shapes and lengths, and hold no images or labels",
    )
    add(
        "--pictures",
        action="store_true",
        help="write images that the solution makes up beside the scorecard, as a PNG; takes as long as one more unlearning",
    )
    add(
        "--hyperparameters",
        choices=("tuned", "published"),
        help="those that tune.py has fitted to the task, or those of the solution's source (default: tuned, if there are any)",
    )
    add(
        "--define",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a constant of the notebook that decides what is submitted (`if not test:`); may be repeated",
    )
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where populations are kept (default: %(default)s)")
    add("--results", type=Path, default=Path("results"), metavar="DIR", help="where scorecards go (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the scorecard to this file as well")
    add("--export", type=Path, metavar="FOLDER", help="write logits and accuracies there, for others (and --populations)")
    add("--no-intervals", action="store_true", help="leave out the intervals, which take seconds for large forget sets")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The task, and where its data lie."""
    add = parser.add_argument
    add("--task", default="digits", help=f"one of {', '.join(tasks.NAMES)} (default: %(default)s)")
    add(
        "--data",
        type=Path,
        default=Path(os.environ.get("UNLEARNING_DATA") or "data"),
        metavar="DIR",
        help="where data sets lie that are not embedded (default: $UNLEARNING_DATA, else data)",
    )


def find_task(options: argparse.Namespace) -> Task:
    """The task, with what the user wants otherwise.

    Raises:
        InputError: there is no such task or network, or the forget request cannot be read.
    """
    if options.epochs is not None and options.epochs < 1:
        raise InputError(f"--epochs {options.epochs} is too few; at least 1 is needed.")
    return tasks.find(options.task, options.data, options.forget, options.network, options.epochs)


def find_solution(options: argparse.Namespace, task: Task) -> Path:
    """The file of the solution; of a notebook, what was taken out of it.

    Raises:
        InputError: there is no such solution, or it cannot be had out of its notebook.
    """
    path = contract.find(options.solution, (".py", ".ipynb"))
    if path.suffix == ".py":
        if options.define:
            raise InputError(
                f"--define {options.define[0]} is for notebooks; hyper-parameters of a .py file are set with --set."
            )
        return path
    competition = kaggle_layout.find_root(task.folder).resolve() if task.name == "kaggle_layout" else None
    path, remarks = extraction.write(path, options.define, competition, options.runs / "notebooks")
    console.notices(remarks, path.with_suffix(".log"))
    return path


def check(options: argparse.Namespace) -> None:
    """Find out before the work begins what would spoil it at the end.

    Raises:
        InputError: options that contradict each other, a number out of range, a folder that cannot be written to.
    """
    wanted = [bool(options.solution), bool(options.retrained or options.unlearned), bool(options.populations)]
    if sum(wanted) != 1 or bool(options.retrained) != bool(options.unlearned):
        raise InputError("Give either --solution, or --retrained and --unlearned, or --populations; --help has examples.")
    if not options.solution:
        defaults = _parser(None)
        given = [name for name in FOR_SOLUTIONS if getattr(options, name) != defaults.get_default(name)]
        if given:
            name = given[0].replace("_", "-")
            raise InputError(f"--{name} is for --solution; populations that were made elsewhere are compared as they are.")
    if options.populations and options.json:
        raise InputError("--json takes one scorecard; those of --populations go to the folder of --results.")
    if options.models < FEWEST_MODELS:
        raise InputError(
            f"--models {options.models} is too few; the metric needs at least {FEWEST_MODELS} (the competition took 512)."
        )
    if not 1 <= options.originals <= options.models:
        raise InputError(f"--originals {options.originals} must lie between 1 and the number of models, {options.models}.")
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers} is too few; at least 1 process is needed.")
    if options.seed < 0:
        raise InputError(f"--seed {options.seed} must not be negative.")
    for option in ("json", "export"):
        if path := getattr(options, option):
            require_writable(path.parent if option == "json" else path, f"--{option}")
    if options.json and options.json.is_dir():
        raise InputError(f"--json {options.json} is a folder; give the name of a file.")


def cores(options: argparse.Namespace) -> int:
    """Processes, or threads: as many as wanted, or as there are cores that this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return options.workers or available
