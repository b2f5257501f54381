"""What a score means, in words."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import UNSET

from evaluation.metric.measured import Measured
from evaluation.reports import ranking
from evaluation.reports.formats import number, percent
from evaluation.scoring import codec
from evaluation.scoring.scorecard import Scorecard
from starting_kit.errors import InputError

NEAR = 0.05  # of the ceiling: whoever comes as near as this has reached it
# Few originals, each taken several times, score more than as many different ones: 0.051 to 0.059 instead of 0.040 on digits.
AS_DIFFERENT = 0.65


def verdict(card: Scorecard) -> str:
    """How far a score is from the ceiling, and, of runs from many originals, whether they pass better than these."""
    score, ceiling = card.score.value, card.ceiling.value
    if score is None or not ceiling:
        return ""
    high = (card.score_interval.value or (score, score))[1]
    if high >= (1 - NEAR) * ceiling:
        return "as good as retraining, as far as this attacker can tell"
    return f"{percent(score / ceiling)} of what retraining gets{_against_untouched(card)}"


def _against_untouched(card: Scorecard) -> str:
    """Both are populations of many originals: what runs from one of them score, untouched ones cannot be asked."""
    untouched = card.originals_score.value
    if not card.pooled or card.pooled.score.value is None or untouched is None:
        return ""
    pooled, bounds = card.pooled.score.value, None if card.pooled_interval is UNSET else card.pooled_interval.value
    low, high = bounds or (pooled, pooled)
    least = untouched * (1.0 if card.originals_models is UNSET else AS_DIFFERENT)
    how = "better than" if low > untouched else "less well than" if high < least else "about as well as"
    numbers = f"pooled score {number(pooled)}, theirs {number(untouched)}"
    return f"; taken together, its runs pass for retrained models {how} networks that have forgotten nothing ({numbers})"


def sentence(card: Scorecard) -> str:
    """Verdict and place in one sentence or two; empty where neither is known."""
    said = [text[:1].upper() + text[1:] for text in (verdict(card), place(card) and f"place: {place(card)}") if text]
    return " ".join(f"{text}." for text in said)


def place(card: Scorecard) -> str:
    """Which place a scorecard has among those in its folder that it may be compared with; empty if there is no other.

    Scorecards that cannot be read are left out.
    """
    if card.path is None:
        return ""
    cards = _readable(sorted(card.path.parent.glob("*.json")))
    rows = next((rows for rows in ranking.rank(cards) if any(row.card.entry == card.entry for row in rows)), [])
    ranked = sum(row.rank is not None for row in rows)
    own = next((row for row in rows if row.card.entry == card.entry), None)
    if own is None or len(rows) == 1:
        return ""
    if own.rank is None:
        return f"none, as it takes too long; {ranked} others have one"
    return f"{_ordinal(own.rank)} of {ranked} in {card.path.parent}{_tied(own.ranks)}"


def _tied(ranks: Measured[tuple[int, int]]) -> str:
    if ranks.value is None or ranks.value[0] == ranks.value[1]:
        return ""
    return f"; within ties, from {_ordinal(ranks.value[0])} to {_ordinal(ranks.value[1])}"


def _ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ..., 11th, ...

    >>> [_ordinal(number) for number in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _readable(paths: Sequence[Path]) -> list[Scorecard]:
    found = []
    for path in paths:
        try:
            found.append(codec.read(path))
        except InputError:  # leaderboard.py says what is wrong with it
            continue
    return found
