"""Leaderboard tables: for terminals, in Markdown, and as CSV."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from rich.box import Box
from rich.console import Console
from rich.table import Table

from evaluation.reports import ranking
from evaluation.reports.formats import from_originals, interval, known, machines, number, percent
from evaluation.reports.ranking import GROUP, Row
from starting_kit.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("#", "ranks", "solution", "values", "score", "95 % interval", "of ceiling", "acc. kept", "cost", "forget acc.")
NOT_ON_TERMINALS = ("of ceiling", "forget acc.")  # 80 characters have no room for them
OF_SCORE = ("score", "relative", "ceiling", "originals_score", "forgetting_quality", "retain_ratio", "test_ratio")
NUMBERS = (*OF_SCORE, "cost")  # in CSV
RANKS = (
    "Ranks: the best and the worst that an entry may have. All pairs of the table are compared; at most some 5 % of the "
    "differences found are chance (Benjamini–Hochberg)."
)
EQUAL_MODELS = "† some of its models are one and the same."
FAILED_RUNS = "‡ some of its runs failed."
UNDECIDED = "? above or below 20 % of a retraining: the interval of the cost contains it."
UNRANKED = "cost above 20 % of a retraining"
# Narrow enough for 80 characters; lines below the head and between sections only.
LINES = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
ROWS_OF_A_PAGE = 40
IN_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "#$%&_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"},
        **{"†": r"\dag{}", "ε": r"$\varepsilon$", "×": r"$\times$", "<": "$<$", ">": "$>$"},
    }
)
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
    parts.append(f"{card.models} models{from_originals(card)}")
    parts += [f"seed {card.seed}"] if card.seed else []
    ends = f"ceiling {number(card.ceiling)}, originals {number(card.originals_score)}"
    return f"{', '.join(parts)}, metric v{card.metric_version}; {ends}"


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of `COLUMNS`."""
    card, forget = row.card, row.card.forget_accuracy.value
    return (
        "-" if row.rank is None else str(row.rank),
        "-" if row.ranks.value is None else "–".join(str(rank) for rank in dict.fromkeys(row.ranks.value)),
        card.entry.replace("--published", "").replace("--tuned", "").replace("--transferred", ""),
        card.hyperparameters.source if card.hyperparameters else "-",
        number(card.score) + "†" * card.has_equal_models + "‡" * card.has_failed_runs,
        interval(card.score_interval),
        percent(card.relative),
        percent(card.accuracy_kept),
        percent(card.cost) + "?" * card.is_undecided,
        percent(forget.unlearned if forget else None),
    )


def show(table: Sequence[Row], screen: Console) -> None:
    """Print a table, with a line above the entries that are unranked."""
    view = Table(title=title(table), title_justify="left", box=LINES, padding=0, pad_edge=False)
    shown = [i for i, column in enumerate(COLUMNS) if column not in NOT_ON_TERMINALS]
    for i in shown:
        view.add_column(COLUMNS[i], no_wrap=COLUMNS[i] not in ("acc. kept", "cost"))
    for row, following in zip(table, [*table[1:], None], strict=True):
        last_ranked = following is not None and row.rank is not None and following.rank is None
        texts = cells(row)
        view.add_row(*(texts[i] for i in shown), end_section=last_ranked)
    screen.print(view)
    for sentence in [*legend(table, "Unranked"), *notes(table)]:
        screen.print(sentence, markup=False)


def legend(rows: Sequence[Row], unranked: str) -> list[str]:
    """What the marks of some rows mean."""
    slow, equal = any(row.rank is None for row in rows), any(row.card.has_equal_models for row in rows)
    undecided, failed = any(row.card.is_undecided for row in rows), any(row.card.has_failed_runs for row in rows)
    return [EQUAL_MODELS] * equal + [FAILED_RUNS] * failed + [UNDECIDED] * undecided + [f"{unranked}: {UNRANKED}."] * slow


def notes(table: Sequence[Row]) -> list[str]:
    """What the ranks of a whole table mean, which differences can be told, and from which machines it comes."""
    ranked = [row for row in table if row.rank is not None]
    reasons = dict.fromkeys(str(row.ranks.reason) for row in ranked if row.ranks.value is None)
    said = [RANKS] if any(row.ranks.value for row in ranked) and len(ranked) > 1 else []
    said += [f"No ranks: {'; '.join(reasons)}."] if reasons else []
    if smallest := ranking.smallest_differences([row.card for row in ranked]):
        share = median(share for _, share in smallest)
        said.append(
            f"Smallest difference that {table[0].card.models} models can tell: {number(smallest[0][0])} between the first two, "
            f"{100 * share:.0f} % of the score in the median of neighbours (80 % power at p < 0.05)."
        )
    return said + machines([row.card for row in table])


def as_csv(tables: Sequence[Sequence[Row]]) -> str:
    """All rows of all tables, with unrounded numbers and what distinguishes the tables."""
    text: str = as_frame(tables).to_csv(index=False, lineterminator="\n")
    return text


def as_frame(tables: Sequence[Sequence[Row]]) -> "DataFrame":
    """The same as a table of pandas."""
    from pandas import DataFrame  # takes half a second, which tables on a screen need not wait for

    return DataFrame([_record(row) for table in tables for row in table], dtype=object)


def _record(row: Row) -> dict[str, Any]:
    card = row.card
    low, high = card.score_interval.value or (None, None)
    rank_low, rank_high = row.ranks.value or (None, None)
    return {
        **{name: getattr(card, name) for name in GROUP},
        "rank": row.rank,
        "rank_low": rank_low,
        "rank_high": rank_high,
        "entry": card.entry,
        "values": card.hyperparameters.source if card.hyperparameters else None,
        **{name: known(getattr(card, name)) for name in NUMBERS},
        "within_limit": card.within_limit.value,
        "operations": None if card.operations is UNSET else card.operations.value,
        "score_low": low,
        "score_high": high,
        "different_models": None if card.different_models is UNSET else card.different_models,
        "failed_runs": 0 if card.failed_runs is UNSET else len(card.failed_runs.models),
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
            gap = [f"| | | *{more} more{f', {slow} unranked' if slow else ''}* |" + " |" * (len(COLUMNS) - 3)]
        lines = [_markdown_row(row) for row in shown]
        said = " ".join([*legend(shown, "In italics, unranked"), *notes(table)])
        head = [f"**{title(table)}**", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        parts.append("\n".join([*head, *lines[:ends], *gap, *lines[len(lines[:ends]) :], *(["", said] if said else [])]))
    return "\n\n".join(parts) + "\n"


def _markdown_row(row: Row) -> str:
    return f"| {' | '.join(cells(row) if row.rank is not None else [f'*{text}*' for text in cells(row)])} |"


def as_latex(tables: Sequence[Sequence[Row]]) -> str:
    """All tables for a paper with the packages booktabs and longtable; one of over `ROWS_OF_A_PAGE` rows may take several."""
    from pandas import DataFrame  # as in `as_frame`

    parts = []
    for table in tables:
        lines = [[text.translate(IN_LATEX) for text in line] for line in (COLUMNS, *map(cells, table))]
        frame = DataFrame(lines[1:], columns=lines[0])
        text: str = frame.to_latex(
            index=False,
            caption=title(table).translate(IN_LATEX),
            column_format="rlll" + "r" * (len(COLUMNS) - 4),
            longtable=len(table) > ROWS_OF_A_PAGE,
        )
        said = " ".join([*legend(table, "Unranked"), *notes(table)]).translate(IN_LATEX)
        parts.append(f"{text}\n\\noindent {said}\n" if said else text)
    return "\n".join(parts)


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
