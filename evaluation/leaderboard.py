"""The leaderboard: a table that is a pure function of a folder of scorecards.

Only like is ranked with like: scores of different tasks, task versions, forget requests, networks, metric versions, numbers
of models or master seeds stand in tables of their own. Entries that take more than 20 % of the time of a retraining are listed
below a line, unranked, as the competition would have rejected them.

    python evaluation/leaderboard.py
    python evaluation/leaderboard.py --task digits --csv leaderboard.csv --markdown leaderboard.md

A Markdown file that has the lines <!-- leaderboard --> and <!-- /leaderboard --> keeps what is outside them.
"""

import csv
import io
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.box import Box
from rich.console import Console
from rich.table import Table

from evaluation import scorecard, terminal
from evaluation.store import write_bytes
from starting_kit.errors import InputError, RunError

GROUP = ("task", "task_version", "forget", "network", "metric_version", "models", "originals", "seed")
COLUMNS = ("#", "solution", "score", "of ceiling", "F", "retain ratio", "test ratio", "forget acc.", "cost")
# Narrow enough for all columns on 80 characters; lines below the head and between sections only.
LINES = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = terminal.command_parser("leaderboard.py", __doc__)
    parser.add_argument("--task", help="only this task (default: all)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="scorecards (default: %(default)s)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file, or between its markers")
    options = parser.parse_args(arguments)
    try:
        tables = rank(read_all(options.results, options.task))
        if options.csv:
            write_bytes(options.csv, as_csv(tables).encode())
        if options.markdown:
            write_bytes(options.markdown, insert(as_markdown(tables), options.markdown).encode())
    except (InputError, RunError) as error:
        terminal.error(error)
        return 2 if isinstance(error, InputError) else 1
    for table in tables:
        show(table, Console(highlight=False))
    return 0


def read_all(results: Path, task: str | None) -> list[Row]:
    """All scorecards under a folder, each with the name of its file as `entry`.

    Raises:
        InputError: there is none, or a file is none.
    """
    paths = sorted(results.glob(f"{task or '*'}/*.json"))
    if not paths:
        raise InputError(f"There is no scorecard in {results / (task or '')}; make one with evaluation/score.py.")
    return [{**scorecard.read(path), "entry": path.stem} for path in paths]


def rank(scorecards: list[Row]) -> list[list[Row]]:
    """Tables of entries that may be compared, best first, each with its `rank`: None above the cost limit."""

    def group(row: Row) -> tuple[Any, ...]:
        return tuple(row[field] for field in GROUP)

    tables = []
    for _, rows in groupby(sorted(scorecards, key=group), key=group):
        by_score = sorted(rows, key=lambda row: (not row["within_limit"], -row["score"], row["entry"]))
        ranked = [{**row, "rank": i + 1 if row["within_limit"] else None} for i, row in enumerate(by_score)]
        tables.append(ranked)
    return tables


def title(table: list[Row]) -> str:
    """What the entries of a table have in common."""
    row = table[0]
    seed = f", seed {row['seed']}" if row["seed"] else ""
    return (
        f"{row['task']} v{row['task_version']}, forget {row['forget']}, {row['network']}, {row['models']} models{seed}, "
        f"metric v{row['metric_version']}; ceiling {row['ceiling']:.4f}, floor {row['floor']:.4f}"
    )


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of `COLUMNS`."""
    return (
        "-" if row["rank"] is None else str(row["rank"]),
        row["entry"],
        f"{row['score']:.4f}",
        terminal.of_ceiling(row),
        f"{row['forgetting_quality']:.4f}",
        f"{row['retain_ratio']:.4f}",
        f"{row['test_ratio']:.4f}",
        f"{row['forget_accuracy']['unlearned']:.1%}",
        f"{row['cost']:.1%}",
    )


def show(table: list[Row], console: Console) -> None:
    """Print a table, with a line above the entries that are unranked."""
    view = Table(title=title(table), title_justify="left", box=LINES, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in COLUMNS:
        view.add_column(column, no_wrap=column == "solution")
    for row, following in zip(table, [*table[1:], None], strict=True):
        last_ranked = following is not None and row["rank"] is not None and following["rank"] is None
        view.add_row(*cells(row), end_section=last_ranked)
    console.print(view)
    if any(row["rank"] is None for row in table):
        console.print("unranked: cost above 20 % of a retraining")


def as_csv(tables: list[list[Row]]) -> str:
    """All rows of all tables, with unrounded numbers and what distinguishes the tables."""
    numbers = ("score", "ceiling", "floor", "forgetting_quality", "retain_ratio", "test_ratio", "cost")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*GROUP, "rank", "entry", *numbers], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for table in tables for row in table)
    return text.getvalue()


def as_markdown(tables: list[list[Row]]) -> str:
    """All tables; unranked entries come last, in italics."""
    parts = []
    for table in tables:
        lines = [f"**{title(table)}**", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        for row in table:
            texts = cells(row) if row["rank"] is not None else [f"*{text}*" for text in cells(row)]
            lines.append(f"| {' | '.join(texts)} |")
        if any(row["rank"] is None for row in table):
            lines += ["", "In italics, unranked: cost above 20 % of a retraining."]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def insert(markdown: str, path: Path) -> str:
    """The new content of a file: the tables alone, or what is there with the tables between its markers.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown}{END}{after}" if begin and end else markdown


if __name__ == "__main__":
    sys.exit(main())
