"""What every command does alike: its help, its exit code, and errors as one sentence."""

import argparse
import errno
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from rich.markup import escape

from evaluation.reports.console import messages
from evaluation.scoring.config import data_folder
from evaluation.streams import lossy_streams
from starting_kit import tasks
from starting_kit.errors import InputError, RunError


class CommandParser(argparse.ArgumentParser):
    """A parser that prints help and errors even where nobody reads them."""

    def parse_args(  # type: ignore[override]  # nobody brings a namespace of another type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As its base does."""
        with lossy_streams():
            return super().parse_args(args, namespace)


def command_parser(program: str, documentation: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a command's module docstring, the examples of which (from the first "python") come last.

    Both name the command as the user typed it, `python evaluation/score.py` or `unlearning score`.
    """
    description, _, examples = (documentation or "").partition("\n\n    python")
    examples = f"python{examples}"
    if Path(sys.argv[0]).stem == "unlearning":
        program, file = f"unlearning {Path(program).stem}", program
        examples = re.sub(rf"python (evaluation/)?{re.escape(file)}", program, examples)
    return CommandParser(
        prog=program,
        description=description,
        epilog=f"examples:\n    {examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # or a script would mean something else once there is another option
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The task, and where its data lie."""
    add = parser.add_argument
    add("--task", default="digits", help=f"one of {', '.join(tasks.NAMES)} (default: %(default)s)")
    add(
        "--data",
        type=Path,
        default=data_folder(),
        metavar="DIR",
        help="where data sets lie that are not embedded (default: $UNLEARNING_DATA, else data)",
    )


def run_command(work: Callable[[], None], debug: bool = False) -> int:
    """Do the work of a command and give its exit code; an error becomes a sentence.

    Args:
        work: may raise `InputError`, `RunError` or KeyboardInterrupt.
        debug: show where an error was raised.
    """
    with lossy_streams():
        return _exit_code(work, debug)


def _exit_code(work: Callable[[], None], debug: bool) -> int:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        work()
    except OSError as failure:
        if failure.errno != errno.ENAMETOOLONG:
            raise
        messages.print(f"[bold red]error:[/] {escape(str(failure.filename))} is too long for a path.", soft_wrap=True)
        return 2
    except (InputError, RunError) as failure:
        if debug:
            traceback.print_exc()
        messages.print(f"[bold red]error:[/] {escape(str(failure))}", soft_wrap=True)
        return 2 if isinstance(failure, InputError) else 1
    except KeyboardInterrupt:
        messages.print("Stopped. What was finished is kept; run the same command to go on.")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
