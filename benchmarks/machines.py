"""Is a score the same on another kind of machine? Solutions scored with this CPU's instructions and with another's.

    python benchmarks/machines.py
    python benchmarks/machines.py --solutions finetune scl_improved --originals 1

The workers of the second scoring may use SSE4.1 only (ATEN_CPU_CAPABILITY=default, ONEDNN_MAX_CPU_ISA=SSE41), as on an old
machine: from the same seeds rounding makes other original and other retrained models of it. Populations are kept in --runs, a
folder for each kind. The first table has the scores, their difference with its 95 % interval (the two share nothing), and
whether this holds 0; the lines below say which pairs of solutions differ significantly on one kind, and stand in another order
on the other.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.metric.intervals import QUANTILE
from evaluation.reports.console import ConsoleReporter
from evaluation.reports.ties import SIGNIFICANT
from evaluation.scoring import ScoringConfig, pairs, score
from evaluation.scoring.scorecard import DEFAULT_MODELS, Scorecard

SOLUTIONS = ("finetune", "scl_improved", "kookmin", "seif", "eu_k", "scl")
OTHER = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
MACHINES: dict[str, dict[str, str]] = {"this": {}, "other": OTHER}
Cards = dict[str, Scorecard]


def standard_error(card: Scorecard) -> float:
    """Of a score, from its interval, which is symmetric on the logarithmic scale."""
    if card.score.value is None or card.score_interval.value is None:
        sys.exit(f"{card.solution} has no interval ({card.score_interval.reason}); take more --models.")
    low, high = card.score_interval.value
    return float(card.score.value * np.log(high / low) / 2 / QUANTILE) if low else 0.0


def difference(this: Scorecard, other: Scorecard) -> tuple[float, float]:
    """Of two scores that share no model, and half the width of its 95 % interval."""
    assert this.score.value is not None and other.score.value is not None, "both have intervals"
    return this.score.value - other.score.value, QUANTILE * float(np.hypot(standard_error(this), standard_error(other)))


def rows(this: Cards, other: Cards) -> Iterator[str]:
    """The table."""
    yield "| solution | this machine | the other | difference, 95 % interval | holds 0 |"
    yield "|---|---|---|---|---|"
    for name in this:
        found, half = difference(this[name], other[name])
        scores = " | ".join(f"{card.score.value:.4f}" for card in (this[name], other[name]))
        interval = f"{found:+.4f} [{found - half:+.4f}, {found + half:+.4f}]"
        yield f"| {name} | {scores} | {interval} | {'yes' if abs(found) <= half else 'no'} |"


def turned_round(one: Cards, other: Cards) -> list[str]:
    """Pairs that differ significantly on one machine and stand in the other order on the other."""
    found = []
    for first, second in combinations(one, 2):
        test = pairs.difference(one[first], one[second])
        values = [card.score.value or 0.0 for card in (one[first], one[second], other[first], other[second])]
        if test and test[1] < SIGNIFICANT and (values[0] - values[1]) * (values[2] - values[3]) < 0:
            found.append(f"{first} and {second}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solutions", nargs="+", default=SOLUTIONS, help="default: %(default)s")
    parser.add_argument("--models", type=int, default=DEFAULT_MODELS, help="default: %(default)s")
    parser.add_argument("--originals", type=int, help="default: the task's number")
    parser.add_argument("--runs", type=Path, default=Path("runs/machines"), metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(arguments)
    cards: dict[str, Cards] = {}
    for name, variables in MACHINES.items():
        places = {"runs": options.runs / name, "results": options.runs / name / "results"}
        with mock.patch.dict(os.environ, variables):  # workers inherit it
            cards[name] = {
                solution: score(
                    ScoringConfig(solution=solution, models=options.models, originals=options.originals, **places),
                    ConsoleReporter(),
                )
                for solution in options.solutions
            }
        kinds = {str(card.environment.instruction_set) for card in cards[name].values()}
        print(f"{name} machine: {', '.join(sorted(kinds))}")
    print("\n".join(rows(cards["this"], cards["other"])))
    for one, other in (("this", "other"), ("other", "this")):
        pairs = turned_round(cards[one], cards[other])
        print(f"differ on {one} machine, other order on the {other}: {'; '.join(pairs) or 'none'}")


if __name__ == "__main__":
    main()
