"""Leaderboard tables: for terminals, in Markdown, and as CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import UNSET
from rich.box import Box
from rich.console import Console
from rich.table import Table

from evaluation.reports.formats import interval, known, number, percent
from evaluation.reports.ranking import GROUP, Row
from starting_kit.errors import InputError

COLUMNS = ("#", "solution", "values", "score", "95 % interval", "of ceiling", "acc. kept", "cost", "forget acc.")
ON_TERMINALS = COLUMNS[:-1]  # what 80 characters have room for
NUMBERS = (
    "score",
    "relative",
    "ceiling",
    "originals_score",
    "forgetting_quality",
    "retain_ratio",
    "test_ratio",
    "cost",
)  # in CSV
LEGEND = "* differs from the entry above (p < 0.05)."
EQUAL_MODELS = "† some of its models are one and the same."
UNRANKED = "cost above 20 % of a retraining"
# Narrow enough for 80 characters; lines below the head and between sections only.
LINES = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"


def title(table: Sequence[Row]) -> str:
    """What the entries of a table have in common."""
    card = table[0].card
    parts = [
        f"{card.task} v{card.task_version}, forget {card.forget}, {card.network}, {card.epochs} epochs"
        if card.forget
        else card.task
    ]
    parts += [] if card.trainer is UNSET else [f"all models trained by {card.trainer}"]
    parts.append(f"{card.models} models")
    parts += [f"from {card.originals} original models"] if (card.originals or 1) > 1 else []
    parts += [f"seed {card.seed}"] if card.seed else []
    ends = f"ceiling {number(card.ceiling)}, originals {number(card.originals_score)}"
    return f"{', '.join(parts)}, metric v{card.metric_version}; {ends}"


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of `COLUMNS`."""
    card, forget = row.card, row.card.forget_accuracy.value
    return (
        "-" if row.rank is None else str(row.rank),
        card.entry.replace("--published", "").replace("--tuned", ""),
        card.hyperparameters.source if card.hyperparameters else "-",
        number(card.score) + "*" * row.differs_from_above + "†" * card.has_equal_models,
        interval(card.score_interval),
        percent(card.relative),
        percent(card.accuracy_kept),
        percent(card.cost),
        percent(forget.unlearned if forget else None),
    )


def show(table: Sequence[Row], screen: Console) -> None:
    """Print a table, with a line above the entries that are unranked."""
    view = Table(title=title(table), title_justify="left", box=LINES, padding=0, pad_edge=False)
    for column in ON_TERMINALS:
        view.add_column(column, no_wrap=column in ("solution", "values", "score", "95 % interval"))
    for row, following in zip(table, [*table[1:], None], strict=True):
        last_ranked = following is not None and row.rank is not None and following.rank is None
        view.add_row(*cells(row)[: len(ON_TERMINALS)], end_section=last_ranked)
    screen.print(view)
    screen.print(" ".join(legend(table, "Unranked")))


def legend(table: Sequence[Row], unranked: str) -> list[str]:
    """What the marks of a table mean."""
    marked, slow = any(row.differs_from_above for row in table), any(row.rank is None for row in table)
    equal = any(row.card.has_equal_models for row in table)
    return [LEGEND] * marked + [EQUAL_MODELS] * equal + [f"{unranked}: {UNRANKED}."] * slow


def as_csv(tables: Sequence[Sequence[Row]]) -> str:
    """All rows of all tables, with unrounded numbers and what distinguishes the tables."""
    from pandas import DataFrame  # takes half a second, which tables on a screen need not wait for

    records = [_record(row) for table in tables for row in table]
    text: str = DataFrame(records, dtype=object).to_csv(index=False, lineterminator="\n")
    return text


def _record(row: Row) -> dict[str, Any]:
    card = row.card
    low, high = card.score_interval.value or (None, None)
    return {
        **{name: getattr(card, name) for name in GROUP},
        "rank": row.rank,
        "entry": card.entry,
        "values": card.hyperparameters.source if card.hyperparameters else None,
        **{name: known(getattr(card, name)) for name in NUMBERS},
        "score_low": low,
        "score_high": high,
        "differs_from_above": row.differs_from_above,
        "different_models": None if card.different_models is UNSET else card.different_models,
    }


def as_markdown(tables: Sequence[Sequence[Row]], ends: int | None = None) -> str:
    """All tables; unranked entries come last, in italics.

    Args:
        tables: from `rank`.
        ends: keep only so many of a table's first ranked rows, and of its last.
    """
    parts = []
    for table in tables:
        ranked = [row for row in table if row.rank is not None]
        shown, gap = list(table), []
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
    return f"| {' | '.join(texts if row.rank is not None else [f'*{text}*' for text in texts])} |"


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
