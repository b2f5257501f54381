"""How often the 95 % intervals cover where runs start from several original models, on simulated populations.

    python benchmarks/coverage_originals.py                                  (13 cells, 200 replicates: half an hour)
    python benchmarks/coverage_originals.py --cells third_16_128             (some cells)

Each replicate draws original models, N unlearned models that start from them, and N retrained models, on 30 examples. The truth
is the mean over all replicates of a cell: over other original models, but where there is one, over other runs from that one.
A second, equal solution, from the same original models and against the same retrained ones, shows how often a difference is
declared where there is none. Replicates are kept in --runs, so that the same command resumes where it was stopped.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.replicates import coverage, simulate
from evaluation.metric import designs, differences, intervals, measures
from evaluation.metric.measured import Intervals, Scores
from evaluation.metric.outputs import Outputs

Floats = NDArray[np.float64]

VERSION = 2  # raised when replicates of the same name change their meaning; seeds derive from it
EXAMPLES = 30
CORRELATION = 0.5  # share of the variance that is a factor common to all examples of a model
DEVIATION = 1.5  # standard deviation of confidences
COLUMNS = ("score", "score_low", "score_high", "pooled", "pooled_low", "pooled_high", "p_value", "between")


@dataclass(frozen=True)
class Cell:
    """How runs from several original models differ from retrained ones; together they vary as much as these.

    Attributes:
        models: N.
        originals: how many original models; each has as many runs.
        share: of the variance of confidences and accuracies, what the original model decides.
        shift: of the unlearned mean, in standard deviations; where `uneven`, from 0 to twice that, evenly drawn for each
            original model.
        uneven: whether runs from some original models are given away more than those from others.
        failed: probability that a run fails: all its confidences are 5 to 10 standard deviations lower, its accuracy by 15 to
            30 %.
    """

    models: int
    originals: int
    share: float
    shift: float = 0.0
    uneven: bool = False
    failed: float = 0.0

    def draw(self, random: np.random.Generator) -> tuple[Outputs, Outputs, Outputs]:
        """Two equal solutions from the same original models, and retrained models."""
        drawing = random if self.originals > 1 else np.random.default_rng(VERSION)  # one original is the same in all replicates
        effects = _noise(drawing, self.originals)
        shifts = drawing.uniform(0, 2 * self.shift, (self.originals, 1)) if self.uneven else np.array(self.shift)
        first, second = (self._runs(random, effects, shifts) for _ in range(2))
        return first, second, _outputs(_noise(random, self.models))

    def _runs(self, random: np.random.Generator, effects: Floats, shifts: Floats) -> Outputs:
        """Runs from original models with these effects and shifts."""
        originals = np.repeat(np.arange(self.originals), self.models // self.originals)
        own = _noise(random, self.models)
        values = np.sqrt(self.share) * effects[originals] + np.sqrt(1 - self.share) * own
        values[:, :EXAMPLES] += np.broadcast_to(shifts, (self.originals, 1))[originals]
        depth = np.where(random.random((self.models, 1)) < self.failed, random.uniform(5, 10, (self.models, 1)), 0)
        return _outputs(values - np.hstack([np.repeat(depth, EXAMPLES, axis=1), 3 * depth, 3 * depth]), originals)


def _noise(random: np.random.Generator, models: int) -> Floats:
    """Normal noise of the confidences and of retain and test accuracy, [models, examples + 2]."""
    common, own = random.standard_normal((models, 1)), random.standard_normal((models, EXAMPLES + 2))
    share = np.array([CORRELATION] * EXAMPLES + [0.5, 0.5])
    noise: Floats = np.sqrt(share) * common + np.sqrt(1 - share) * own
    return noise


def _outputs(values: Floats, originals: NDArray[np.int64] | None = None) -> Outputs:
    """Models with these deviations of their confidences and accuracies, [models, examples + 2]."""
    retain, test = np.clip(0.9 + 0.01 * np.sqrt(2) * values[:, EXAMPLES:].T, 0, 1)
    confidences = {"forget": DEVIATION * values[:, :EXAMPLES]}
    return Outputs({"forget": np.arange(EXAMPLES)}, confidences, None, {"retain": retain, "test": test}, originals=originals)


def _cells() -> dict[str, Cell]:
    shares = {"none": 0.0, "third": 1 / 3, "two_thirds": 2 / 3}
    cells = {
        f"{name}_{originals}_128": Cell(128, originals, share) for originals in (1, 16, 32) for name, share in shares.items()
    }
    return cells | {
        "third_16_64": Cell(64, 16, 1 / 3),
        "third_128_512": Cell(512, 128, 1 / 3),
        "uneven_32_128": Cell(128, 32, 0.2, shift=0.5, uneven=True),
        "failed_5_32_128": Cell(128, 32, 1 / 3, shift=0.3, failed=0.05),
    }


CELLS = _cells()


def replicate(cell: Cell, seed: int) -> list[float]:
    """One replicate, in the order of `COLUMNS`: both scores with intervals, p-value against an equal solution, spread.

    The last is the relative standard deviation of the score between original models.
    """
    *solutions, retrained = cell.draw(np.random.default_rng([VERSION, seed]))
    reference = retrained, retrained  # the ceiling plays no part
    scores = [measures.scores(each, retrained, reference, None, 1) for each in solutions]
    found = [measures.score_intervals(each, retrained, reference, s, 1) for each, s in zip(solutions, scores, strict=True)]
    first, pooled = scores[0], scores[0].pooled
    between = np.nan
    if first.by_original:
        of_each = first.by_original.score.value or []
        between = float(np.std(of_each, ddof=1) / np.mean(of_each))
    of_pooled = [np.nan] * 3
    if pooled and found[0].pooled_interval:
        of_pooled = [pooled.score.value or 0, *(found[0].pooled_interval.value or (np.nan, np.nan))]
    of_score = [first.score.value or 0, *(found[0].score_interval.value or (np.nan, np.nan))]
    return [*of_score, *of_pooled, p_value(cell, scores, found), between]


def p_value(cell: Cell, scores: list[Scores], found: list[Intervals]) -> float:
    """Of the difference of two solutions, as the leaderboard has it."""
    by_original = [each.by_original.score.value for each in scores if each.by_original]
    first, second = (
        (each.score.value or 0.0, np.array(of_each.score_deviations.value)) for each, of_each in zip(scores, found, strict=True)
    )
    others = cell.originals >= designs.FEWEST_ORIGINALS
    pairs = (by_original[0] or [], by_original[1] or []) if others else None
    return differences.difference(*first, *second, pairs)[1]


def row(name: str, values: Floats) -> str:
    """A row of the table."""
    of = dict(zip(COLUMNS, values.T, strict=True))

    def of_score(what: str) -> str:
        value, low, high = (of[f"{what}{end}"] for end in ("", "_low", "_high"))
        if np.isnan(value).all():
            return " | | |"
        share, error = coverage(value, low, high)
        width = np.mean(high - low) / (2 * intervals.QUANTILE * value.std())
        return f"{value.mean():.4f} | {value.std() / value.mean():.0%} | {share:.1%} ± {error:.1%} | {width:.2f}"

    between = "" if np.isnan(of["between"]).all() else f"{of['between'].mean():.0%}"
    return f"| {name} | {between} | {of_score('score')} | {of_score('pooled')} | {np.mean(of['p_value'] < 0.05):.1%} |"


HEAD = ("mean", "s.d.", "coverage", "of the ideal width")


def main() -> None:
    """Simulate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=200, help="per cell (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where replicates are kept")
    parser.add_argument("--cells", nargs="*", choices=CELLS, default=list(CELLS), metavar="CELL", help="default: all")
    options = parser.parse_args()
    settings = {"version": VERSION, "parts": intervals.PARTS, "cuts": intervals.CUTS, "of": measures.RESAMPLED_ORIGINALS}
    cells = {name: CELLS[name] for name in options.cells}
    results = simulate("originals", replicate, cells, options.replicates, options.runs, settings)
    print(f"{options.replicates} replicates per cell, {EXAMPLES} examples; ± two standard errors\n")
    print(f"| cell | between originals | averaged: {' | '.join(HEAD)} | pooled: {' | '.join(HEAD)} | p < 0.05 |")
    print(f"|{'---|' * 11}")
    for name, values in results.items():
        print(row(name, values))


if __name__ == "__main__":
    main()
