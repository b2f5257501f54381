"""The options of score.py, and the configuration that they make."""

import argparse
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from evaluation.scoring.config import Config, FolderConfig, PairConfig, ScoringConfig, SequentialConfig
from evaluation.shell import command_parser
from starting_kit import contract, tasks
from starting_kit.errors import InputError
from starting_kit.tasks import forget_requests

MODES: tuple[type[Config], ...] = (ScoringConfig, PairConfig, FolderConfig)
ONE_OF_THREE = "Give either --solution, or --retrained and --unlearned, or --populations; --help has examples."
# What is no part of a configuration, or of that of one scoring.
OF_THE_COMMAND = ("list_tasks", "debug", "report")
OF_A_COMPARISON = ("stop_when_clear", "against", "margin")


def parse(arguments: list[str] | None, documentation: str | None) -> argparse.Namespace:
    """Read the command line (exits with 2 where it is wrong).

    Args:
        arguments: of the command.
        documentation: what --help shows first.

    Returns:
        `list_tasks` and `debug`, and of the other options those that were given.
    """
    parser = command_parser("score.py", documentation)
    _add_populations(parser)
    _add_task(parser)
    _add_experiment(parser)
    _add_limits(parser)
    _add_comparison(parser)
    _add_solution(parser)
    _add_places(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(arguments)


def config(given: argparse.Namespace) -> Config | SequentialConfig:
    """The configuration that options make: that of a solution, of one against another, of two files, or of a folder.

    Raises:
        InputError: options that contradict each other.
    """
    values = {name: value for name, value in vars(given).items() if name not in OF_THE_COMMAND}
    compared = {name: values.pop(name) for name in OF_A_COMPARISON if name in values}
    modes = [mode for mode in MODES if _required(mode) & values.keys()]
    if len(modes) != 1 or not _required(modes[0]) <= values.keys():
        raise InputError(ONE_OF_THREE)
    mode = modes[0]
    known = {field.name for field in fields(mode)}
    foreign = [name for name in values if name not in known] + list(compared if mode is not ScoringConfig else ())
    if foreign:
        raise InputError(_refusal(foreign[0].replace("_", "-")))
    made = mode(**values)
    return _sequential(made, compared) if isinstance(made, ScoringConfig) and compared else made


def _sequential(scoring: ScoringConfig, compared: dict[str, Any]) -> SequentialConfig:
    wanted = compared.pop("stop_when_clear", False)
    if not wanted:
        raise InputError(
            f"--{next(iter(compared))} is for --stop-when-clear; leaderboard.py --compare A B compares what is scored."
        )
    if "against" not in compared:
        raise InputError("--stop-when-clear needs --against NAME, the solution that the comparison is with.")
    return SequentialConfig(scoring=scoring, **compared)


def scoring_config(given: argparse.Namespace, **wanted: Any) -> ScoringConfig:
    """The configuration of a solution, with some values that are not left to the user.

    Raises:
        InputError: options that contradict each other.
    """
    made = config(argparse.Namespace(**{**vars(given), **wanted}))
    if isinstance(made, SequentialConfig):
        raise InputError("--stop-when-clear is for score.py.")
    assert isinstance(made, ScoringConfig), "a solution is among what is wanted"
    return made


def _required(mode: type[Config]) -> set[str]:
    return {field.name for field in fields(mode) if field.default is MISSING and field.default_factory is MISSING}


def _refusal(option: str) -> str:
    """Why an option does not go with populations that were made elsewhere."""
    if option == "json":
        return "--json takes one scorecard; those of --populations go to the folder of --results."
    if option == "results":
        return "--results is for --solution and --populations; --json writes the scorecard of two files."
    return f"--{option} is for --solution; populations that were made elsewhere are compared as they are."


class _Options:
    """Adds options that are left out of the result if they are not given: defaults are those of the configuration."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def add(self, name: str, help: str, **options: Any) -> None:
        field = ScoringConfig.__dataclass_fields__.get(name.removeprefix("--").replace("-", "_"))
        default = "" if field is None else str(field.default)
        self._parser.add_argument(name, default=argparse.SUPPRESS, help=help.replace("%(default)s", default), **options)


def _add_populations(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
    zoo = ", ".join(contract.zoo())
    add("--solution", metavar="NAME|PATH", help=f"what to score: one of {zoo}, a .py file, or a notebook")
    add("--retrained", type=Path, metavar="FILE", help="or: retrained models, an .npz file, and")
    add("--unlearned", type=Path, metavar="FILE", help="unlearned models, an .npz file")
    add(
        "--populations", type=Path, metavar="FOLDER", help="or: logits_retain.npy and <approach>/logits_unlearn.npy in a folder"
    )


def _add_task(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
    add("--task", help=f"one of {', '.join(tasks.NAMES)} (default: %(default)s)")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="where data sets lie that are not embedded (default: $UNLEARNING_DATA, else data)",
    )
    add("--forget", metavar="KIND", help=f"what is to be forgotten: {forget_requests.FORMS} (default: the task's)")
    add(
        "--network",
        metavar="N",
        help="the network: one of ours, resnet18:WIDTH, torchvision's by its name, timm's as timm:NAME (default: the task's)",
    )
    add("--epochs", type=int, metavar="E", help="epochs of training (default: the task's)")
    parser.add_argument(
        "--list-tasks", action="store_true", help="say which tasks there are, what they need, and whether that is in --data"
    )


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
    add("--models", type=int, metavar="N", help="models in each population (default: %(default)s)")
    add(
        "--originals",
        type=int,
        metavar="K",
        help="original models that unlearning starts from, N / K runs from each; the score is averaged over them. 1 as in the "
        "competition (default: the task's number, 128 on digits, as far as each has 4 runs)",
    )
    add("--seed", type=int, help="all models' seeds derive from it (default: %(default)s)")
    add("--workers", type=int, metavar="W", help="processes, one thread each (default: one per core)")
    add(
        "--engine",
        choices=("lockstep", "single"),
        help="call the solution for several models at once, or for one at a time (default: lockstep, if a trial with three "
        "models proves that each gets the weights it gets alone; lockstep forces it, with a warning where the trial objects)",
    )
    add(
        "--device",
        choices=("cpu", "cuda"),
        help="where models are trained and unlearned; all --workers share one GPU (default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
    add(
        "--time-limit",
        type=float,
        metavar="S",
        help="seconds that the solution has for each model, after which its run has failed; more than 2 %% of failed runs end "
        "the scoring, fewer count as models that are told with certainty (default: the time of one retraining, five times the "
        "competition's limit, at least 10)",
    )
    add(
        "--require-sandbox",
        action="store_true",
        help="score nothing where a solution cannot be kept from the populations, the network and other processes (Linux can)",
    )


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
    add(
        "--stop-when-clear",
        action="store_true",
        help="compare the solution with that of --against after 64, 128, 256, ... models, and stop at the first look that "
        "tells which is better, or that no difference matters, at --models at the latest; 5 %% of such ends are wrong",
    )
    add(
        "--against",
        metavar="NAME|PATH",
        help="the other solution, given as for --solution, with its tuned values if there are any; or an entry of the results "
        "by its name, SOLUTION--VARIANT, whose values are taken",
    )
    add(
        "--margin",
        type=float,
        metavar="D",
        help="the smallest difference of scores that matters (default: a tenth of the ceiling)",
    )


def _add_solution(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
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
        choices=("tuned", "transferred", "published"),
        help="those that tune.py has fitted to the task, or those of the solution's source, carried over to the task by its "
        "number of steps or as they are (default: tuned, if there are any, else published)",
    )
    add(
        "--define",
        action=_Collect,
        metavar="NAME=VALUE",
        help="a constant of the notebook that decides what is submitted (`if not test:`); may be repeated",
    )
    add("--set", action=_Collect, metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = _Options(parser).add
    add("--runs", type=Path, metavar="DIR", help="where populations are kept (default: %(default)s)")
    add("--results", type=Path, metavar="DIR", help="where scorecards go (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the scorecard to this file as well")
    add("--export", type=Path, metavar="FOLDER", help="write logits and accuracies there, for others (and --populations)")
    add(
        "--report",
        type=Path,
        metavar="FILE",
        help="write a page for browsers: where the score is lost, on which forget examples, and all that the scorecard says",
    )
    add("--no-intervals", action="store_true", help="leave out the intervals, which take seconds for large forget sets")


class _Collect(argparse.Action):
    """Collects the values of an option that may be repeated in a tuple."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), values))
