"""The leaderboard: a table that is a pure function of a folder of scorecards.

Only like is ranked with like: scores of different tasks, task versions, forget requests, networks, metric versions, numbers
of models or master seeds stand in tables of their own, and so do those of a solution that brings its own trainer. Entries that
take more than 20 % of the time of a retraining are listed below a line, unranked, as the competition would have rejected them.
"Ranks" are those that an entry may have: others that do not differ from it significantly may stand above or below it. All pairs
of a table are compared, on the same retrained models, and of the differences found at most 5 % are chance. "Acc. kept" is the
product of the retain and the test ratio. "Values" are those of the hyper-parameters: published with the solution, its author's
own, tuned to the task (evaluation/tune.py), or set by hand.

A score with a dagger is that of models some of which are one and the same, as where a solution sets a seed; with a
double dagger some runs failed.

--reported puts scores of the competition's boards, the known ones and your own submissions', beside the measured ones.

    python evaluation/leaderboard.py
    python evaluation/leaderboard.py --task digits --csv leaderboard.csv --markdown leaderboard.md
    python evaluation/leaderboard.py --html leaderboard.html
    python evaluation/leaderboard.py --task digits --latex leaderboard.tex
    python evaluation/leaderboard.py --compare scl scl--published
    python evaluation/leaderboard.py --compare scl seif kookmin eu_k
    python evaluation/leaderboard.py --reported

--html writes the tables as one file that any browser shows, to sort, to filter, to compare two or three entries.

A Markdown file that has the lines <!-- leaderboard --> and <!-- /leaderboard --> keeps what is outside them.
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console

from evaluation.reports import comparison, ranking, reported, reported_table, tables
from evaluation.shell import command_parser, run_command
from starting_kit.errors import InputError
from starting_kit.files import write_bytes


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = command_parser("leaderboard.py", __doc__)
    parser.add_argument("--task", help="only this task (default: all)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="scorecards (default: %(default)s)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows to this file")
    parser.add_argument(
        "--compare", nargs="+", metavar=("A", "B"), help="say which of two or more entries differ, and print no table"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file, or between its markers")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the tables to this file as a page for browsers")
    parser.add_argument("--latex", type=Path, metavar="FILE", help="write the tables to this file for a paper, with booktabs")
    parser.add_argument("--reported", action="store_true", help="reported beside measured scores, with their rank correlation")
    parser.add_argument("--ends", type=int, metavar="N", help="in Markdown, only the first and the last N ranked rows")
    options = parser.parse_args(arguments)
    return run_command(lambda: publish(options))


def publish(options: argparse.Namespace) -> None:
    """Print the tables, or a comparison, and write the files that are wanted.

    Raises:
        InputError: an option is wrong, there is nothing to show, or a file is not a scorecard.
        RunError: a file cannot be written.
    """
    if options.ends is not None and options.ends < 1:
        raise InputError(f"--ends {options.ends} is too few; at least 1 is needed.")
    if options.ends is not None and not options.markdown:
        raise InputError("--ends is for --markdown; the table that is printed has all rows.")
    cards = ranking.read_all(options.results, options.task)
    if options.compare:
        print(comparison.compare([ranking.find(cards, name) for name in options.compare]))
        return
    ranked = ranking.rank(cards)
    screen = Console(highlight=False)
    if options.reported:
        entries = [*reported.read(reported.KNOWN), *reported.read(options.results / reported.FILE)]
        for table in ranked:
            reported_table.show(table, entries, screen)
        return
    if options.csv:
        write_bytes(options.csv, tables.as_csv(ranked).encode())
    if options.markdown:
        write_bytes(options.markdown, tables.insert(tables.as_markdown(ranked, options.ends), options.markdown).encode())
    if options.latex:
        write_bytes(options.latex, tables.as_latex(ranked).encode())
    if options.html:
        from evaluation.reports import html  # templates take a tenth of a second, which a table on a screen need not wait for

        write_bytes(options.html, html.page(ranked).encode())
    for table in ranked:
        tables.show(table, screen)


if __name__ == "__main__":
    sys.exit(main())
