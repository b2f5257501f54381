"""The leaderboard as one HTML file that asks nobody for anything: text, drawings and a few lines of script inside."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from msgspec import UNSET

from evaluation.reports import pages, ranking, reported, tables, zoo_page
from evaluation.reports.command import command
from evaluation.reports.formats import known, number, percent, values_in_use
from evaluation.reports.ranking import Row
from evaluation.scoring import pairs
from evaluation.scoring.scorecard import Scorecard
from starting_kit import contract

NONE = "–"
FILTERS = ("task", "models", "design", "family")
BAR, MARGIN = 110, 5  # width of an interval's drawing, and what is left free at its ends
LABELS, ROOM = 8, 14  # names in the scatter plot, and the height of one
UNIT = 1e-5  # of standard errors, which 19,900 pairs of 200 entries have


@dataclass(frozen=True)
class Plot:
    """The plane of the scatter plot, in the units of its drawing."""

    width: int = 760
    height: int = 420
    left: int = 60
    top: int = 14
    right: int = 700
    bottom: int = 370

    def x(self, share: float) -> float:
        return round(self.left + share * (self.right - self.left), 1)

    def y(self, share: float) -> float:
        return round(self.bottom - share * (self.bottom - self.top), 1)


@dataclass(frozen=True)
class Column:
    """A column of the table: its name, what it says at length, and whether it is sorted as numbers ("n") or as text."""

    name: str
    title: str
    kind: str = "n"


COLUMNS = (
    Column("#", "place by the score"),
    Column("ranks", "the best and the worst rank that it may have"),
    Column("solution", "name of the solution", ""),
    Column("family", "kind of method", ""),
    Column("values", "where its hyper-parameters come from", ""),
    Column("score", "forgetting quality times accuracy kept"),
    Column("interval", "95 % interval, between originals and ceiling", "n bar"),
    Column("of ceiling", "score as a share of the ceiling"),
    Column("F", "forgetting quality"),
    Column("kept", "retain times test accuracy, as a share of the retrained models'"),
    Column("cost", "time of an unlearning over that of a retraining"),
    Column("F, memorised", "forgetting quality of the most memorised third"),
    Column("nearer to", "whether its networks are nearer to retrained or to original ones", ""),
    Column("outlying", "runs far from the others"),
    Column("reported", "score in the competition"),
)


def page(ranked: Sequence[Sequence[Row]]) -> str:
    """The whole page.

    Args:
        ranked: tables of entries, from `ranking.rank`; at least one.
    """
    families, places = _families(), _reported()
    shown = [_table(table, number, families, places) for number, table in enumerate(ranked)]
    values: dict[str, list[str]] = {name: [] for name in FILTERS}
    for table in shown:
        for name, value in [*table["filters"].items(), *(("family", row["family"]) for row in table["rows"])]:
            values[name].append(value)
    return (
        pages.environment()
        .get_template("leaderboard.html")
        .render(
            entries=sum(map(len, ranked)),
            filters=[{"name": name, "values": sorted(set(found))} for name, found in values.items() if len(set(found)) > 1],
            tables=shown,
            columns=COLUMNS,
            bar=BAR,
            plot=Plot(),
            csv=f"data:text/csv;base64,{base64.b64encode(tables.as_csv(ranked).encode()).decode()}",
            data=_script(_data(ranked)),
        )
    )


def _table(rows: Sequence[Row], number_of: int, families: dict[str, str], places: dict[str, float]) -> dict[str, Any]:
    """What the template shows of one table."""
    card = rows[0].card
    title, _, ends = tables.title(rows).partition("; ")
    ends_of_bar = [known(each.card.ceiling) or 0 for each in rows] + [
        (each.card.score_interval.value or (0, 0))[1] for each in rows
    ]
    scale = max([*ends_of_bar, known(card.originals_score) or 0]) or 1.0
    ranked = [row.card.entry for row in rows if row.rank is not None]
    filters = {"task": card.task, "models": str(card.models), "design": card.question or "not known"}
    shown = [_row(row, scale, number_of, ranked, families, places) for row in rows]
    return {
        "title": title,
        "ends": ends,
        "filters": filters,
        "ceiling": _along(known(card.ceiling) or 0, scale),
        "originals": _along(known(card.originals_score) or 0, scale),
        "rows": shown,
        "scatter": _scatter(rows, [row["id"] for row in shown]),
        "notes": [*tables.legend(rows, "In italics, unranked"), *tables.notes(rows)],
    }


def _along(value: float, scale: float) -> float:
    """Where a score lies on the drawing of an interval."""
    return round(MARGIN + value / scale * (BAR - 2 * MARGIN), 1)


def _row(
    row: Row, scale: float, table: int, ranked: Sequence[str], families: dict[str, str], places: dict[str, float]
) -> dict[str, Any]:
    """What the template shows of an entry."""
    card, bounds = row.card, row.card.score_interval.value
    _, ranks, name, values, score, ends, relative, kept, cost, _ = (NONE if text == "-" else text for text in tables.cells(row))
    memorisation = None if card.memorisation is UNSET else card.memorisation.value
    nearness = None if card.nearness is UNSET else card.nearness.value
    return {
        "id": f"{table}-{card.entry}",
        "pair": ranked.index(card.entry) if card.entry in ranked else None,
        "rank": NONE if row.rank is None else row.rank,
        "ranks": ranks,
        "name": name,
        "family": families.get(card.solution, "own"),
        "values": values,
        "score": score,
        "interval": ends,
        "bar": None
        if bounds is None or card.score.value is None
        else {"low": _along(bounds[0], scale), "high": _along(bounds[1], scale), "at": _along(card.score.value, scale)},
        "relative": relative,
        "quality": number(card.forgetting_quality),
        "kept": kept,
        "cost": cost,
        "memorised": number(memorisation.forgetting_quality[-1]) if memorisation else NONE,
        "nearer": nearness.nearer_to if nearness else NONE,
        "outlying": NONE if card.outlying_runs is UNSET else card.outlying_runs.unlearned,
        "reported": number(places[card.solution]) if card.solution in places else NONE,
        "histogram": pages.by_epsilon(card),
        "more": list(_more(card)),
        "command": command(card),
    }


def _more(card: Scorecard) -> Iterator[tuple[str, str]]:
    """What is said of an entry besides its row."""
    if card.pooled:
        yield "all runs as one population", number(card.pooled.score)
    if card.memorisation is not UNSET and card.memorisation.value:
        yield "F by thirds of memorisation", ", ".join(map(number, card.memorisation.value.forgetting_quality))
    if card.nearness is not UNSET and card.nearness.value:
        yield (
            "between retrained (0) and originals (1)",
            f"{card.nearness.value.position:.2f}, {card.nearness.value.off_axis:.2f} off",
        )
    for split in ("retain", "test", "forget"):
        means = getattr(card, f"{split}_accuracy").value
        if means:
            yield f"{split} accuracy", f"{percent(means.unlearned)} of {percent(means.retrained)}"
    if card.cost_interval is not UNSET and card.cost_interval.value:
        low, high = card.cost_interval.value
        yield "cost", f"{percent(card.cost)} [{percent(low)}–{percent(high)}] of a retraining"
    if card.hyperparameters and card.hyperparameters.values:
        yield "hyper-parameters", values_in_use(card.hyperparameters)
    yield from (("note", note) for note in ([] if card.notes is UNSET else card.notes))


def _scatter(rows: Sequence[Row], ids: Sequence[str]) -> dict[str, Any]:
    """Entries with their accuracy kept and forgetting quality; circles have areas in proportion to cost."""
    plot = Plot()
    cards = [row.card for row in rows]
    highest = 1.1 * max(card.forgetting_quality for card in cards) or 1.0
    widest = max([1.0, *(card.accuracy_kept or 0 for card in cards)])
    labelled = _apart([card.forgetting_quality / highest for card in cards], ROOM / (plot.bottom - plot.top))
    dots = [
        {
            "id": entry,
            "x": plot.x(card.accuracy_kept / widest),
            "y": plot.y(card.forgetting_quality / highest),
            "r": round(3 + 14 * min(card.cost or 0, 1.0) ** 0.5, 1),
            "kind": "dear" if row.rank is None else "ranked",
            "title": f"{card.entry}: F {number(card.forgetting_quality)}, cost {percent(card.cost)}",
            "label": card.entry if place in labelled else "",
        }
        for place, (row, card, entry) in enumerate(zip(rows, cards, ids, strict=True))
        if card.accuracy_kept is not None
    ]
    ticks = np.linspace(0, 1, 5)
    return {
        "dots": dots,
        "x": [{"at": plot.x(tick), "text": f"{tick * widest:.0%}"} for tick in ticks],
        "y": [{"at": plot.y(tick), "text": f"{tick * highest:.3f}"} for tick in ticks],
    }


def _apart(heights: Sequence[float], distance: float) -> set[int]:
    """Which of the highest entries can have their names beside them without one covering another."""
    found: list[int] = []
    for place in sorted(range(len(heights)), key=lambda place: -heights[place]):
        if len(found) < LABELS and all(abs(heights[place] - heights[other]) >= distance for other in found):
            found.append(place)
    return set(found)


def _data(ranked: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """What the script compares, and what is downloaded: of each table its ranked entries, and all pairs of them."""
    found = []
    for table in ranked:
        cards = [row.card for row in table if row.rank is not None]
        errors = pairs.standard_errors(cards)
        ties = ~ranking.compared(cards, errors).differ
        above = [range(one + 1, len(cards)) for one in range(len(cards))]
        found.append(
            {
                "table": tables.title(table),
                "names": [card.entry for card in cards],
                "scores": [card.score.value for card in cards],
                "errors": [
                    [None if np.isnan(errors[one, other]) else round(errors[one, other] / UNIT) for other in others]
                    for one, others in enumerate(above)
                ],
                "ties": ["".join(str(int(ties[one, other])) for other in others) for one, others in enumerate(above)],
            }
        )
    return {"unit": UNIT, "tables": found}


def _families() -> dict[str, str]:
    """The family of each solution of the zoo."""
    return {name: zoo_page.describe(contract.find(name)).family for name in contract.zoo()}


def _reported() -> dict[str, float]:
    """The competition's score of each solution with its published values, the first that is known."""
    found: dict[str, float] = {}
    for entry in reported.read(reported.KNOWN):
        if not entry["settings"]:
            found.setdefault(entry["solution"], float(entry["score"]))
    return found


def _script(content: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it ends that."""
    return Markup(json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"))
