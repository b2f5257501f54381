"""How often the leaderboard tells entries apart that are equal, and those that are not, on simulated populations.

    python benchmarks/ties.py          (60 tables a cell; --tables 5 for a first look)

Each table has 49 entries, of which each is N unlearned models, compared with the same N retrained models. Tables are kept in
--runs, so that the same command resumes where it was stopped.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import argparse
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.replicates import simulate
from evaluation.metric import differences, intervals
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.reports import ties

Floats = NDArray[np.float64]

ENTRIES = 49


@dataclass(frozen=True)
class Cell:
    """Of what kind the entries of a table are.

    Attributes:
        models: N.
        examples: in the forget set.
        correlation: share of the variance that is a factor common to all examples of a model.
        good: how many entries are as retrained; the others are shifted by a standard deviation.
    """

    models: int
    examples: int
    correlation: float
    good: int = ENTRIES

    def draw(self, random: np.random.Generator, shift: float) -> Floats:
        """Confidences of one population, [models, examples]."""
        common, own = random.normal(size=(self.models, 1)), random.normal(size=(self.models, self.examples))
        values: Floats = 1.5 * (np.sqrt(self.correlation) * common + np.sqrt(1 - self.correlation) * own + shift)
        return values


CELLS = {
    "equal": Cell(128, 30, 0.0),
    "equal_correlated": Cell(128, 10, 0.5),
    "5_better": Cell(128, 10, 0.0, good=5),
}


def measure(cell: Cell, number: int) -> list[float]:
    """Of one table, in the order of `COLUMNS`."""
    random = np.random.default_rng([number, cell.models, cell.examples])
    retrained = cell.draw(random, 0.0)
    populations = [cell.draw(random, 0.0 if entry < cell.good else 1.0) for entry in range(ENTRIES)]
    scores = np.array([forgetting_quality(epsilons(each, retrained), cell.models) for each in populations])
    deviations = [intervals.quality_deviations(each, retrained) for each in populations]
    single, tailed = np.full((2, ENTRIES, ENTRIES), np.nan)
    for one, other in combinations(range(ENTRIES), 2):
        _, found = differences.difference(scores[one], deviations[one], scores[other], deviations[other])
        single[one, other] = single[other, one] = found
        tailed[one, other] = tailed[other, one] = ties.of_student(found, cell.models)
    pairs, order, good = ties.Pairs(scores, tailed), np.argsort(-scores), np.arange(ENTRIES) < cell.good
    equal, ranks = good[:, None] == good, np.array([pairs.ranks(entry) for entry in range(ENTRIES)])
    return [
        np.mean(single[equal & ~np.isnan(single)] < ties.SIGNIFICANT),
        np.mean(single[order[:-1], order[1:]] < ties.SIGNIFICANT),
        single[order[0], order[-1]] < ties.SIGNIFICANT,
        ties.Pairs(scores, single).differ.any(),
        pairs.differ.any(),
        (pairs.differ & equal).sum() / max(pairs.differ.sum(), 1),
        ranks[good, 1].max() == cell.good and (good.all() or ranks[~good, 0].min() == cell.good + 1),
    ]


COLUMNS = (
    "equal pairs, p < 0.05",
    "neighbours, p < 0.05",
    "first and last, p < 0.05",
    "tables in which any pair differs, adjusted, without Student's t",
    "with it",
    "differences found, of equal entries",
    "ranks separate better from worse",
)


def main() -> None:
    """Simulate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=60, help="per cell (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where tables are kept")
    options = parser.parse_args()
    found = simulate("ties", measure, CELLS, options.tables, options.runs, {"entries": ENTRIES}, batch=1)
    print(f"{options.tables} tables of {ENTRIES} entries per cell; ± two standard errors\n")
    print(f"| cell | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name, values in found.items():
        errors = 2 * values.std(axis=0) / np.sqrt(options.tables)
        shares = [f"{mean:.1%} ± {error:.1%}" for mean, error in zip(values.mean(axis=0), errors, strict=True)]
        print(f"| {name} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()
