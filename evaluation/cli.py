"""The command that a wheel installs: `unlearning score`, `unlearning tune` and so on are the files of these names."""

import importlib
import sys

from starting_kit.errors import InputError, did_you_mean

COMMANDS = {
    "check": "say what is wrong with a solution, before it is scored",
    "score": "score a solution as the competition did",
    "tune": "fit the hyper-parameters of a solution to a task",
    "leaderboard": "rank scorecards, or compare two of them",
    "submit": "package a solution as a Kaggle notebook, check it, and submit it",
}
LIST = "\n".join(f"  {name:12} {summary}" for name, summary in COMMANDS.items())
HELP = f"""\
usage: unlearning COMMAND ...

Develop, score and submit machine unlearning algorithms.

{LIST}

`unlearning COMMAND --help` has the options of a command.
"""


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if name not in COMMANDS:
        from evaluation.shell import run_command  # takes a fifth of a second, which --help need not wait for

        return run_command(lambda: refuse(name))
    exit_code: int = importlib.import_module(f"evaluation.{name}").main(rest)
    return exit_code


def refuse(name: str) -> None:
    """Say that there is no such command.

    Raises:
        InputError: always.
    """
    raise InputError(f"There is no command {name!r}; the commands are {', '.join(COMMANDS)}.{did_you_mean(name, COMMANDS)}")


if __name__ == "__main__":
    sys.exit(main())
