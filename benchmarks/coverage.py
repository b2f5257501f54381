"""How often the 95 % intervals cover, on simulated populations with a known answer.

    python benchmarks/coverage.py                                      (25 cells, 1,000 replicates: about an hour)
    python benchmarks/coverage.py --method bootstrap --replicates 200  (an alternative that was tried and rejected)
    python benchmarks/coverage.py --populations FOLDER                 (and cells of real models)

Each replicate draws confidences and accuracies of N unlearned and N retrained models on 30 examples. The truth is the mean
over all replicates of a cell. A second, equal solution against the same retrained models shows how often a difference is
declared where there is none. Replicates are kept in --runs, so that the same command resumes where it was stopped.

Real models, 256 or more (`score.py --models 1024 --export FOLDER`), are drawn without replacement and so vary a little less.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.replicates import coverage
from benchmarks.replicates import simulate as simulate_cells
from evaluation.metric import differences, intervals
from evaluation.metric.epsilon import epsilons, resampled_epsilons
from evaluation.metric.forgetting import forgetting_quality, points
from evaluation.scoring import external

Floats = NDArray[np.float64]

VERSION = 4  # raised when replicates of the same name change their meaning; seeds derive from it
EXAMPLES = 30
RESAMPLES = 200  # of the bootstraps
NORMAL = 1.96
SEPARATED = 8.0  # standard deviations by which an example is off that no attack can miss
REAL_MODELS = (64, 128)
COLUMNS = ("f", "f_low", "f_high", "score", "score_low", "score_high", "p_value")


@dataclass(frozen=True)
class Cell:
    """How two populations differ.

    Attributes:
        models: N.
        shift: of the unlearned mean, in standard deviations; where `mixed`, from 0 for the first example to twice that.
        spread: standard deviation of the unlearned over that of the retrained.
        correlation: share of the variance that is a factor common to all examples of a model.
        heavy: Student's t with 3 degrees of freedom instead of normal.
        mixed: whether the examples differ in their shift.
        examples: how many.
        good: how many examples are as said; all others are separated.
        failed: probability that a run fails, its confidences 5 to 10 standard deviations lower, its accuracy 15 to 30 %.
    """

    models: int
    shift: float = 0.0
    spread: float = 1.0
    correlation: float = 0.0
    heavy: bool = False
    mixed: bool = False
    examples: int = EXAMPLES
    good: int | None = None
    failed: float = 0.0

    def draw(self, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Confidences [models, examples] of two equal solutions and of retrained models, with accuracies in a last column."""
        shift = np.linspace(0, 2 * self.shift, self.examples) if self.mixed else np.full(self.examples, self.shift)
        if self.good is not None:
            shift[self.good :] = SEPARATED
        first, second = (self._population(random, self.spread, shift, self.failed) for _ in range(2))
        return first, second, self._population(random)

    def _population(
        self, random: np.random.Generator, spread: float = 1.0, shift: Floats | float = 0.0, failed: float = 0.0
    ) -> Floats:
        """Confidences with accuracies in a last column, [models, examples + 1]."""

        def noise(examples: int) -> Floats:
            size = self.models, examples
            return random.standard_t(3, size) if self.heavy else random.standard_normal(size)

        common, own = noise(1), noise(self.examples)
        values = np.sqrt(self.correlation) * common + np.sqrt(1 - self.correlation) * own
        depth = np.where(random.random(common.shape) < failed, random.uniform(5, 10, common.shape), 0)
        accuracy = np.clip(0.9 + 0.01 * (common + random.standard_normal(common.shape)) - 0.03 * depth, 0, 1)
        return np.hstack([1.5 * (spread * values + shift - depth), accuracy])


@dataclass(frozen=True)
class Pool:
    """Models drawn without replacement from a large population of real ones.

    Attributes:
        folder: of the published layout.
        approach: name of the solution there.
        models: N.
    """

    folder: Path
    approach: str
    models: int

    def draw(self, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """As `Cell.draw`; the two solutions are different runs of one."""
        unlearned, retrained = read_pool(self.folder, self.approach)
        examples = np.append(np.linspace(0, unlearned.shape[1] - 2, EXAMPLES).astype(int), -1)  # the same in all replicates
        runs = random.permutation(len(unlearned))[: 2 * self.models].reshape(2, self.models)
        of_retrained = random.permutation(len(retrained))[: self.models]
        return unlearned[runs[0]][:, examples], unlearned[runs[1]][:, examples], retrained[of_retrained][:, examples]


@lru_cache(maxsize=4)
def read_pool(folder: Path, approach: str) -> tuple[Floats, Floats]:
    """Unlearned and retrained confidences with test accuracies in a last column."""
    pair = external.read_approach(folder, approach)
    tables = [np.hstack([p.confidences["forget"], p.accuracy["test"][:, None]]) for p in (pair.unlearned, pair.retrained)]
    return tables[0], tables[1]


CELLS = {
    "null_64": Cell(64),
    "null_128": Cell(128),
    "null_512": Cell(512),
    "null_correlated_64": Cell(64, correlation=0.9),
    "null_correlated_512": Cell(512, correlation=0.9),
    "shift_512": Cell(512, shift=0.5, correlation=0.5),
    "shift_128": Cell(128, shift=1.0, correlation=0.3),
    "far_512": Cell(512, shift=2.0, correlation=0.5),
    "spread_512": Cell(512, spread=0.6, correlation=0.5),
    "tails_512": Cell(512, correlation=0.5, heavy=True),
    "tails_shift_128": Cell(128, shift=0.5, correlation=0.5, heavy=True),
    "mixed_512": Cell(512, shift=0.5, correlation=0.9, mixed=True),
    "null_48": Cell(48, correlation=0.5),
    "shift_48": Cell(48, shift=0.7, correlation=0.5),
    "examples_20_128": Cell(128, shift=0.5, correlation=0.5, examples=20),
    "examples_90_128": Cell(128, shift=0.5, correlation=0.5, examples=90),
    "good_3_256": Cell(256, shift=0.3, correlation=0.5, good=3),
    "narrow_256": Cell(256, spread=0.3, correlation=0.5),
    "failed_2_64": Cell(64, shift=0.3, correlation=0.5, failed=0.02),
    "failed_2_128": Cell(128, shift=0.3, correlation=0.5, failed=0.02),
    "failed_5_128": Cell(128, shift=0.3, correlation=0.5, failed=0.05),
    "failed_10_128": Cell(128, shift=0.3, correlation=0.5, failed=0.1),
    "failed_2_512": Cell(512, shift=0.3, correlation=0.5, failed=0.02),
    "failed_5_512": Cell(512, shift=0.3, correlation=0.5, failed=0.05),
    "failed_10_512": Cell(512, shift=0.3, correlation=0.5, failed=0.1),
}


def bootstrap(unlearned: Floats, retrained: Floats, random: np.random.Generator) -> intervals.Interval:
    """The naive bootstrap: percentiles of F in resamples with replacement."""

    def counts(models: int) -> NDArray[np.int32]:
        return random.multinomial(models, np.full(models, 1 / models), size=RESAMPLES).astype(np.int32)

    values = resampled_epsilons(unlearned, retrained, counts(len(unlearned)), counts(len(retrained)))
    low, high = np.quantile(points(values, len(unlearned)).mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def smoothed_bootstrap(unlearned: Floats, retrained: Floats, random: np.random.Generator) -> intervals.Interval:
    """Percentiles of F in resamples with replacement whose ties are broken by noise (Silverman's bandwidth)."""

    def resample(values: Floats) -> Floats:
        bandwidth = values.std(axis=0) * len(values) ** -0.2
        drawn: Floats = values[random.integers(len(values), size=len(values))] + bandwidth * random.standard_normal(
            values.shape
        )
        return drawn

    pairs = ((resample(unlearned), resample(retrained)) for _ in range(RESAMPLES))
    qualities = [forgetting_quality(epsilons(*pair), len(unlearned)) for pair in pairs]
    low, high = np.quantile(qualities, [0.025, 0.975])
    return float(low), float(high)


def jackknife(unlearned: Floats, retrained: Floats, random: np.random.Generator) -> intervals.Interval:
    """The delete-half jackknife: standard deviation of F in random halves, in which F would shrink as 1/√N."""
    quality = forgetting_quality(epsilons(unlearned, retrained), len(unlearned))

    def counts(models: int) -> NDArray[np.int32]:
        return random.permuted(np.tile(np.arange(models) < models // 2, (RESAMPLES, 1)), axis=1).astype(np.int32)

    values = resampled_epsilons(unlearned, retrained, counts(len(unlearned)), counts(len(retrained)))
    half = NORMAL * points(values, len(unlearned)).mean(axis=1).std(ddof=1)
    return quality - half, quality + half


KEPT = "subsamples"  # evaluation.metric.intervals
OTHERS = {"bootstrap": bootstrap, "smoothed": smoothed_bootstrap, "jackknife": jackknife}


def replicate(method: str, cell: Cell | Pool, seed: int) -> list[float]:
    """One replicate, in the order of `COLUMNS`: F and score with intervals, p-value against an equal solution."""
    random = np.random.default_rng([VERSION, seed])
    first, second, retrained = cell.draw(random)
    if method != KEPT:
        quality = forgetting_quality(epsilons(first[:, :-1], retrained[:, :-1]), cell.models)
        return [quality, *OTHERS[method](first[:, :-1], retrained[:, :-1], random), *[np.nan] * 4]
    qualities, scores, of_qualities, of_scores = [], [], [], []
    for population in (first, second):
        qualities.append(forgetting_quality(epsilons(population[:, :-1], retrained[:, :-1]), cell.models))
        scores.append(qualities[-1] * (population[:, -1].mean() / retrained[:, -1].mean()))
        of_qualities.append(intervals.quality_deviations(population[:, :-1], retrained[:, :-1]))
        of_scores.append(of_qualities[-1] + intervals.ratio_deviations(population[:, -1], retrained[:, -1]))
    p_value = differences.difference(scores[0], of_scores[0], scores[1], of_scores[1])[1]
    of_f, of_score = intervals.interval(qualities[0], of_qualities[0]), intervals.interval(scores[0], of_scores[0])
    return [qualities[0], *of_f, scores[0], *of_score, p_value]


def simulate(method: str, replicates: int, runs: Path, cells: Mapping[str, Cell | Pool] = CELLS) -> dict[str, Floats]:
    """Replicates [replicates, columns] of each cell, read from files or made where these are missing."""
    settings = {"version": VERSION, "parts": intervals.PARTS, "cuts": intervals.CUTS, "resamples": RESAMPLES}
    return simulate_cells(method, partial(replicate, method), cells, replicates, runs, settings)


def row(name: str, values: Floats) -> str:
    """A row of the table."""
    of = dict(zip(COLUMNS, values.T, strict=True))

    def covered(what: str) -> str:
        if np.isnan(of[what]).any():
            return ""
        share, error = coverage(of[what], of[f"{what}_low"], of[f"{what}_high"])
        return f"{share:.1%} ± {error:.1%}"

    width = np.mean(of["f_high"] - of["f_low"])
    differs = "" if np.isnan(of["p_value"]).any() else f"{np.mean(of['p_value'] < 0.05):.1%}"
    return (
        f"| {name} | {of['f'].mean():.4f} | {of['f'].std():.4f} | {covered('f')} | {width:.4f} | "
        f"{width / (2 * NORMAL * of['f'].std()):.2f} | {covered('score')} | {differs} |"
    )


def main() -> None:
    """Simulate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=(KEPT, *OTHERS), default=KEPT, help="default: the one kept")
    parser.add_argument("--replicates", type=int, default=1000, help="per cell (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where replicates are kept")
    parser.add_argument("--cells", nargs="*", choices=CELLS, default=list(CELLS), metavar="CELL", help="default: all")
    parser.add_argument("--populations", type=Path, metavar="FOLDER", help="real models, as score.py --export writes them")
    options = parser.parse_args()
    cells: dict[str, Cell | Pool] = {name: CELLS[name] for name in options.cells}
    if options.populations:
        for approach in external.approaches(options.populations):
            cells |= {f"{approach}_{models}": Pool(options.populations, approach, models) for models in REAL_MODELS}
    else:
        print("no cells of real models: give --populations", file=sys.stderr)
    results = simulate(options.method, options.replicates, options.runs, cells)
    print(f"{options.method}, {options.replicates} replicates per cell, {EXAMPLES} examples; ± two standard errors\n")
    print("| cell | mean F | its s.d. | coverage of F | mean width | of the ideal width | coverage of the score | p < 0.05 |")
    print("|---|---|---|---|---|---|---|---|")
    for name, values in results.items():
        print(row(name, values))


if __name__ == "__main__":
    main()
