"""The leaderboard: a table that is a pure function of a folder of scorecards.

Only like is ranked with like: scores of different tasks, task versions, forget requests, networks, metric versions, numbers
of models or master seeds stand in tables of their own, and so do those of a solution that brings its own trainer. Entries that
take more than 20 % of the time of a retraining are listed below a line, unranked, as the competition would have rejected them.
A score with a star differs significantly (p < 0.05) from the one above it; the test is paired, since both were compared with
the same retrained models. "Acc. kept" is the product of the retain and the test ratio. "Values" are those of the
hyper-parameters: published with the solution, tuned to the task (evaluation/tune.py), or set by hand.

--reported puts scores of the competition's boards, the known ones and your own submissions', beside the measured ones.

    python evaluation/leaderboard.py
    python evaluation/leaderboard.py --task digits --csv leaderboard.csv --markdown leaderboard.md
    python evaluation/leaderboard.py --compare scl scl--published
    python evaluation/leaderboard.py --reported

A Markdown file that has the lines <!-- leaderboard --> and <!-- /leaderboard --> keeps what is outside them.
"""

import argparse
import csv
import io
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from rich.box import Box
from rich.console import Console
from rich.table import Table

from evaluation.metric import intervals
from evaluation.reports import console, reported
from evaluation.scoring import scorecard
from starting_kit import contract
from starting_kit.errors import InputError, did_you_mean
from starting_kit.files import write_bytes

GROUP = ("task", "task_version", "data", "forget", "network", "epochs", "metric_version", "models", "originals", "seed")
COLUMNS = ("#", "solution", "values", "score", "95 % interval", "of ceiling", "acc. kept", "cost", "forget acc.")
ON_TERMINALS = COLUMNS[:-1]  # what 80 characters have room for
SIGNIFICANT = 0.05
LEGEND = "* differs from the entry above (p < 0.05)."
UNRANKED = "cost above 20 % of a retraining"
# Narrow enough for 80 characters; lines below the head and between sections only.
LINES = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = console.command_parser("leaderboard.py", __doc__)
    parser.add_argument("--task", help="only this task (default: all)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="scorecards (default: %(default)s)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows to this file")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="say whether two entries differ, and print no table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file, or between its markers")
    parser.add_argument("--reported", action="store_true", help="reported beside measured scores, with their rank correlation")
    parser.add_argument("--ends", type=int, metavar="N", help="in Markdown, only the first and the last N ranked rows")
    options = parser.parse_args(arguments)
    return console.run_command(lambda: publish(options))


def publish(options: argparse.Namespace) -> None:
    """Print the tables, or a comparison, and write the files that are wanted.

    Raises:
        InputError: there is nothing to show, or a file is no scorecard.
        RunError: a file cannot be written.
    """
    rows = read_all(options.results, options.task)
    if options.compare:
        print(compare(*(entry(rows, name) for name in options.compare)))
        return
    tables = rank(rows)
    if options.reported:
        entries = [*reported.read(reported.KNOWN), *reported.read(options.results / reported.FILE)]
        for table in tables:
            show_reported(table, entries, Console(highlight=False))
        return
    if options.csv:
        write_bytes(options.csv, as_csv(tables).encode())
    if options.markdown:
        write_bytes(options.markdown, insert(as_markdown(tables, options.ends), options.markdown).encode())
    for table in tables:
        show(table, Console(highlight=False))


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

    def group(row: Row) -> list[tuple[bool, Any]]:  # None, of populations made elsewhere, has no order
        return [(row[field] is None, row[field]) for field in GROUP] + [(False, row.get("trainer", ""))]

    def place(row: Row) -> tuple[Any, ...]:
        return row["within_limit"] is False, row["score"] is None, -(row["score"] or 0), row["entry"]

    tables = []
    for _, rows in groupby(sorted(scorecards, key=group), key=group):
        ranked: list[Row] = []
        for i, row in enumerate(sorted(rows, key=place)):
            above = ranked[-1] if ranked and ranked[-1]["within_limit"] == row["within_limit"] else None
            test = difference(above, row) if above else None
            differs = test is not None and test[1] < SIGNIFICANT
            ranked.append({**row, "rank": None if row["within_limit"] is False else i + 1, "differs_from_above": differs})
        tables.append(ranked)
    return tables


def difference(first: Row, second: Row) -> tuple[intervals.Interval, float] | None:
    """Interval and p-value of the difference of two scores; None where they have no intervals or other retrained models."""
    if first["retrained_population"] != second["retrained_population"]:
        return None
    if first["score_deviations"] is None or second["score_deviations"] is None:
        return None
    return intervals.difference(
        first["score"], np.array(first["score_deviations"]), second["score"], np.array(second["score_deviations"])
    )


def entry(rows: list[Row], name: str) -> Row:
    """The entry of a name, which is that of its file.

    Raises:
        InputError: there is none, or several tasks have one.
    """
    found = [row for row in rows if row["entry"] == name]
    if not found:
        raise InputError(f"There is no entry {name!r}.{did_you_mean(name, [row['entry'] for row in rows])}")
    if len(found) > 1:
        raise InputError(f"{name!r} is an entry of {', '.join(row['task'] for row in found)}; choose with --task.")
    return found[0]


def compare(first: Row, second: Row) -> str:
    """Whether two entries differ, for people.

    Raises:
        InputError: they cannot be compared.
    """
    names = f"{first['entry']} and {second['entry']}"
    if others := [field for field in GROUP if first[field] != second[field]]:
        raise InputError(f"{names} cannot be compared: {others[0]} is {first[others[0]]} and {second[others[0]]}.")
    if first["retrained_population"] != second["retrained_population"]:
        raise InputError(f"{names} were compared with different retrained models; score both again.")
    test = difference(first, second)
    if test is None:
        raise InputError(f"{names} cannot be compared, because one of them has no interval; score it without --no-intervals.")
    (low, high), p_value = test
    lines = [
        f"{row['entry']}: {row['score']:.6f}, 95 % interval {console.interval(row['score_interval'])}"
        for row in (first, second)
    ]
    verdict = "they differ" if p_value < SIGNIFICANT else "no difference has been shown"
    change = f"difference: {first['score'] - second['score']:+.6f}, 95 % interval {low:+.6f} to {high:+.6f}, p = {p_value:.2g}"
    return "\n".join([*lines, f"{change}: {verdict}"])


def title(table: list[Row]) -> str:
    """What the entries of a table have in common."""
    row = table[0]
    parts = [
        f"{row['task']} v{row['task_version']}, forget {row['forget']}, {row['network']}, {row['epochs']} epochs"
        if row["forget"]
        else row["task"]
    ]
    parts += [f"all models trained by {row['trainer']}"] if "trainer" in row else []
    parts.append(f"{row['models']} models")
    parts += [f"from {row['originals']} original models"] if (row["originals"] or 1) > 1 else []
    parts += [f"seed {row['seed']}"] if row["seed"] else []
    ends = f"ceiling {console.number(row['ceiling'])}, floor {console.number(row['floor'])}"
    return f"{', '.join(parts)}, metric v{row['metric_version']}; {ends}"


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of `COLUMNS`."""
    return (
        "-" if row["rank"] is None else str(row["rank"]),
        row["entry"].replace("--published", ""),
        row["hyperparameters"]["source"] if row["hyperparameters"] else "-",
        console.number(row["score"]) + ("*" if row["differs_from_above"] else ""),
        console.interval(row["score_interval"]),
        console.percent(row["relative"]),
        console.percent(None if row["score"] is None else row["retain_ratio"] * row["test_ratio"]),
        console.percent(row["cost"]),
        console.percent(row["forget_accuracy"] and row["forget_accuracy"]["unlearned"]),
    )


def show(table: list[Row], screen: Console) -> None:
    """Print a table, with a line above the entries that are unranked."""
    view = Table(title=title(table), title_justify="left", box=LINES, padding=0, pad_edge=False)
    for column in ON_TERMINALS:
        view.add_column(column, no_wrap=column in ("solution", "values", "score", "95 % interval"))
    for row, following in zip(table, [*table[1:], None], strict=True):
        last_ranked = following is not None and row["rank"] is not None and following["rank"] is None
        view.add_row(*cells(row)[: len(ON_TERMINALS)], end_section=last_ranked)
    screen.print(view)
    screen.print(" ".join(legend(table, "Unranked")))


def legend(table: list[Row], unranked: str) -> list[str]:
    """What the marks of a table mean."""
    marked, slow = any(row["differs_from_above"] for row in table), any(row["rank"] is None for row in table)
    return [LEGEND] * marked + [f"{unranked}: {UNRANKED}."] * slow


def show_reported(table: list[Row], entries: list[reported.Entry], screen: Console) -> None:
    """Print the reported scores of those solutions of a table that have any, beside the measured ones.

    A reported score belongs to a measured one of the same hyper-parameters, and where those were the published ones also to one
    of values that were tuned to the task.
    """
    view = Table(title=title(table), title_justify="left", box=LINES, padding=0, pad_edge=False)
    for column in ("solution", "board", "reported", "same values", "#", "tuned here", "#"):
        view.add_column(column, no_wrap=column == "solution", justify="right" if column in ("reported", "#") else "left")
    pairs: dict[str, tuple[list[float], list[float]]] = {"same values": ([], []), "tuned here": ([], [])}
    for entry in sorted(entries, key=lambda entry: -float(entry["score"])):
        measured = measured_of(table, entry)
        if not any(measured.values()):
            continue
        texts = [f"{entry['solution']} {entry['settings']}".strip(), entry["board"], console.number(float(entry["score"]))]
        for kind, row in measured.items():
            texts += [
                console.number(row["score"] if row else None),
                "-" if row is None or row["rank"] is None else str(row["rank"]),
            ]
            if row and row["score"] is not None:
                pairs[kind][0].append(float(entry["score"]))
                pairs[kind][1].append(row["score"])
        view.add_row(*texts)
    screen.print(view)
    for kind, (theirs, ours) in pairs.items():
        found = reported.rank_correlation(theirs, ours)
        said = "too few to say" if found is None else f"Spearman's ρ {found[0]:.2f}, p = {found[1]:.2g}"
        screen.print(f"Reported against {kind}: {said} ({len(theirs)} pairs).")


def measured_of(table: list[Row], entry: reported.Entry) -> dict[str, Row | None]:
    """The rows of a table that a reported score is compared with: of the same values, and of values tuned to the task.

    Raises:
        InputError: its settings are not the solution's.
    """
    own = [row for row in table if row["solution"] == entry["solution"] and row["hyperparameters"]]
    if not own:
        return dict.fromkeys(("same values", "tuned here"))
    values = contract.describe(contract.find(entry["solution"]), entry["settings"].split()).hyperparameters
    tuned = [row for row in own if row["hyperparameters"]["source"] == "tuned"] if not entry["settings"] else []
    same = [row for row in own if row["hyperparameters"]["values"] == values]
    return {"same values": next(iter(same), None), "tuned here": next(iter(tuned), None)}


def as_csv(tables: list[list[Row]]) -> str:
    """All rows of all tables, with unrounded numbers and what distinguishes the tables."""
    numbers = ("score", "relative", "ceiling", "floor", "forgetting_quality", "retain_ratio", "test_ratio", "cost")
    ends = ("score_low", "score_high")
    text = io.StringIO()
    columns = [*GROUP, "rank", "entry", "values", *numbers, *ends, "differs_from_above"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in (row for table in tables for row in table):
        interval = dict(zip(ends, row["score_interval"] or ("", ""), strict=True))
        writer.writerow({**row, **interval, "values": (row["hyperparameters"] or {}).get("source")})
    return text.getvalue()


def as_markdown(tables: list[list[Row]], ends: int | None = None) -> str:
    """All tables; unranked entries come last, in italics.

    Args:
        tables: from `rank`.
        ends: keep only so many of a table's first ranked rows, and of its last.
    """
    parts = []
    for table in tables:
        ranked = [row for row in table if row["rank"] is not None]
        shown, gap = table, []
        if ends is not None and len(ranked) > 2 * ends:
            shown, more, slow = [*ranked[:ends], *ranked[-ends:]], len(ranked) - 2 * ends, len(table) - len(ranked)
            gap = [f"| | *{more} more{f', {slow} unranked' if slow else ''}* |" + " |" * (len(COLUMNS) - 2)]
        lines = [_markdown_row(row) for row in shown]
        notes = " ".join(legend(shown, "In italics, unranked")).replace("*", "\\*")
        head = [f"**{title(table)}**", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        parts.append("\n".join([*head, *lines[:ends], *gap, *lines[len(lines[:ends]) :], *(["", notes] if notes else [])]))
    return "\n\n".join(parts) + "\n"


def _markdown_row(row: Row) -> str:
    texts = [text.replace("*", "\\*") for text in cells(row)]
    return f"| {' | '.join(texts if row['rank'] is not None else [f'*{text}*' for text in texts])} |"


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
