"""Say what is wrong with a solution, or weak, property by property, before it is scored.

The file is loaded, and `unlearning` is called in processes of their own: with both kinds of batches, with the same seed twice
and with another, again in the same process, sixteen times, watched for the files that it opens, alone with a clock, and for
several models at once. What is found is printed a line each:

    ok    a property that it has
    WEAK  one that it lacks, which costs score, rank or time; scoring goes on
    FAIL  one that it lacks, which breaks the contract: mend it first
    -     one that could not be found out, and why

A line of WEAK or FAIL has a second one, which says what to do. The models that it needs, an original one and sixteen that are
retrained, are kept in runs/, where score.py finds them.

    python evaluation/check.py --solution my_solution.py
    python evaluation/check.py --solution my_solution.py --set epochs=3 --json verdicts.json
    python evaluation/check.py --solution my_notebook.ipynb
    python evaluation/check.py --solution gkt --forget class:3 --data-free --time-limit 300

Exit codes: 0 nothing fails (there may be weaknesses); 1 a property fails; 2 the command line or an input file is wrong; 130
interrupted.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec
from rich.console import Console
from rich.markup import escape

from evaluation import checking
from evaluation.checking.checker import TIME_LIMIT
from evaluation.checking.verdict import Outcome, Verdict
from evaluation.reports.console import ConsoleReporter
from evaluation.scoring.config import ScoringConfig, check_json
from evaluation.shell import add_data_options, command_parser, run_command
from starting_kit.errors import RunError
from starting_kit.files import write_json

MARKS: dict[Outcome, str] = {
    "pass": "[green]ok  [/]",
    "weakness": "[yellow]WEAK[/]",
    "failure": "[bold red]FAIL[/]",
    "unchecked": "[dim]-   [/]",
}
WIDTH = 26  # of a property's name


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    given = parser().parse_args(arguments)
    return run_command(lambda: check(given), given.debug)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    parser = command_parser("check.py", __doc__)
    add = parser.add_argument
    add("--solution", required=True, metavar="NAME|PATH", help="a solution of the zoo, a .py file, or a notebook")
    add_data_options(parser)
    add("--forget", metavar="KIND", help="what is to be forgotten, as for score.py (default: the task's)")
    add("--network", metavar="N", help="the network, as for score.py (default: the task's)")
    add("--data-free", action="store_true", help="give it loaders that hold no images or labels")
    add(
        "--hyperparameters",
        choices=("tuned", "transferred", "published"),
        help="whose, as for score.py (default: tuned, if there are any, else published)",
    )
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")
    add("--define", action="append", default=[], metavar="NAME=VALUE", help="a constant of a notebook; may be repeated")
    add("--seed", type=int, default=0, help="the models' seeds derive from it (default: %(default)s)")
    add(
        "--time-limit",
        type=float,
        default=TIME_LIMIT,
        metavar="S",
        help="seconds that each trial may take, of one to some calls (default: %(default)s)",
    )
    add("--workers", type=int, metavar="W", help="processes at a time, one thread each (default: one per core)")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where models are kept (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the verdicts to this file as well")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def check(given: argparse.Namespace) -> None:
    """Print the verdicts as they come, then what they come to.

    Raises:
        InputError: the command line, the solution's name or data are wrong.
        RunError: a property fails.
    """
    options = {name: value for name, value in vars(given).items() if name not in ("time_limit", "debug")}
    config = ScoringConfig(**{**options, "set": tuple(given.set), "define": tuple(given.define)})
    check_json(given.json)
    console = Console(highlight=False)
    report = checking.check(config, ConsoleReporter(), given.time_limit, on_verdict=partial(_show, console))
    if given.json:
        write_json(given.json, msgspec.to_builtins(report))
    counts = {outcome: len(report.named(outcome)) for outcome in MARKS}
    console.print(
        f"{report.solution} on {report.task}: {counts['pass']} pass, {counts['weakness']} weak, {counts['failure']} fail, "
        f"{counts['unchecked']} unchecked, in {report.seconds:.0f} s"
    )
    if not report.passes:
        raise RunError(f"{report.solution} fails: {', '.join(report.named('failure'))}.")


def _show(console: Console, verdict: Verdict) -> None:
    console.print(f"{MARKS[verdict.outcome]} {verdict.property:{WIDTH}} {escape(verdict.said)}", soft_wrap=True)
    if verdict.hint:
        console.print(f"{'':{WIDTH + 6}}-> {escape(verdict.hint)}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
