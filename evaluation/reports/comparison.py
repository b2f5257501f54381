"""Two or more entries compared with each other, for people."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from evaluation.reports import ranking, ties
from evaluation.reports.formats import equal_models, interval, machines
from evaluation.scoring import pairs
from evaluation.scoring.scorecard import Scorecard
from starting_kit.errors import InputError

PLANNED = (
    "That is the p-value of two entries that were chosen before their scores were known; the ranks of a table allow for all of "
    "its pairs."
)


def compare(cards: Sequence[Scorecard]) -> str:
    """Which of some entries differ.

    Raises:
        InputError: there is only one, or two of them cannot be compared.
    """
    if len(cards) < 2:
        raise InputError(f"--compare needs another entry beside {cards[0].entry}.")
    for pair in combinations(cards, 2):
        _require_comparable(*pair)
    warnings = [f"{card.entry}: {sentence}" for card in cards for sentence in equal_models(card)]
    found = _two(*cards) if len(cards) == 2 else _several(cards)
    return "\n".join([*warnings, *found, *machines(cards)])


def _require_comparable(first: Scorecard, second: Scorecard) -> None:
    names = f"{first.entry} and {second.entry}"
    if others := [field for field in ranking.GROUP if getattr(first, field) != getattr(second, field)]:
        values = " and ".join(str(getattr(card, others[0])) for card in (first, second))
        raise InputError(f"{names} cannot be compared: {others[0]} is {values}.")
    if first.retrained_population != second.retrained_population:
        raise InputError(f"{names} were compared with different retrained models; score both again.")
    if pairs.difference(first, second) is None:
        without = first if first.score_deviations.value is None else second
        reason = without.score_deviations.reason
        again = "; score it again without it" if reason == "--no-intervals" else ""
        raise InputError(f"{names} cannot be compared: {without.entry} has no interval ({reason}){again}.")


def _two(first: Scorecard, second: Scorecard) -> Iterator[str]:
    yield from map(_score, (first, second))
    text, p_value, smallest = _difference(first, second)
    verdict = "they differ" if p_value < ties.SIGNIFICANT else "no difference has been shown"
    yield f"difference: {text}, p = {p_value:.2g}: {verdict}"
    yield f"Differences below {smallest:.4f} can hardly be told here (80 % power at p < 0.05). {PLANNED}"


def _several(cards: Sequence[Scorecard]) -> Iterator[str]:
    """The best first, each against all below it."""
    cards = sorted(cards, key=lambda card: -(card.score.value or 0))
    compared = ranking.compare_all(cards)
    for entry, card in enumerate(cards):
        low, high = compared.ranks(entry)
        yield f"{_score(card)}, rank {low}" + (f"–{high}" if high > low else "")
    smallest = []
    for one, card in enumerate(cards[:-1]):
        yield f"{card.entry} against"
        for other in range(one + 1, len(cards)):
            text, _, least = _difference(card, cards[other])
            smallest.append(least)
            verdict = "they differ" if compared.differ[one, other] else "tie"
            yield f"  {cards[other].entry}: {text}, p = {compared.adjusted[one, other]:.2g}: {verdict}"
    tied = [", ".join(cards[entry].entry for entry in group) for group in compared.groups() if len(group) > 1]
    yield f"Tied: {'; '.join(tied) if tied else 'none'}."
    yield (
        f"P-values are adjusted for {len(smallest)} pairs (Benjamini–Hochberg); intervals hold each for itself. Differences "
        f"below {min(smallest):.4f} to {max(smallest):.4f} can hardly be told here (80 % power at p < 0.05 in one pair)."
    )


def _score(card: Scorecard) -> str:
    return f"{card.entry}: {card.score.value:.6f}, 95 % interval {interval(card.score_interval)}"


def _difference(first: Scorecard, second: Scorecard) -> tuple[str, float, float]:
    """The difference with its interval, its p-value, and the smallest one that could be told."""
    test = pairs.difference(first, second)
    assert test is not None, "they can be compared"
    (low, high), p_value = test
    change = (first.score.value or 0) - (second.score.value or 0)
    return f"{change:+.6f}, 95 % interval {low:+.6f} to {high:+.6f}", p_value, ties.smallest_difference((low, high))
