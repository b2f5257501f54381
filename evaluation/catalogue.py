"""What the zoo holds: one row per solution, by family, from what it says of itself and its scorecard.

python evaluation/catalogue.py --markdown solutions/README.md
"""

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from evaluation.reports import zoo_page
from evaluation.shell import command_parser, run_command
from starting_kit import contract, tasks
from starting_kit.files import write_bytes


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = command_parser("catalogue.py", __doc__)
    parser.add_argument("--task", default="digits", help="whose scores (default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="scorecards (default: %(default)s)"
    )
    parser.add_argument("--markdown", type=Path, required=True, metavar="FILE", help="write the page to this file")
    options = parser.parse_args(arguments)
    return run_command(lambda: write_page(options.task, options.results, options.markdown))


def write_page(task: str, results: Path, markdown: Path) -> None:
    """Make the page and write it.

    Raises:
        InputError: there is no such task, the metadata of a solution are wrong, or a file is not a scorecard.
        RunError: the page cannot be written.
    """
    tasks.find(task)
    write_bytes(markdown, zoo_page.page(contract.ZOO, results, task).encode())


if __name__ == "__main__":
    sys.exit(main())
