"""How often score.py --stop-when-clear is wrong, and with how many models it stops, on simulated populations.

    python benchmarks/sequential.py                       (11 cells, 200 replicates: an hour)
    python benchmarks/sequential.py --cells shift failed  (some cells; those of many originals take 5 s a replicate, others 0.3)

Each replicate draws 512 models of two solutions and of retrained models, and compares the solutions with the first 64, 128, 256
and 512 of them, as the command does. In cells with "better" in their name the first solution is better, in all others they are
equal. Replicates are kept in --runs, so that the same command resumes where it was stopped.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import coverage, coverage_originals
from benchmarks.replicates import simulate
from evaluation.metric import designs, differences, intervals, measures
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.looks import Look, at_share, shares
from evaluation.metric.outputs import Outputs

Floats = NDArray[np.float64]

VERSION = 1  # raised when replicates of the same name change their meaning; seeds derive from it
LOOKS = (64, 128, 256, 512)
PER_LOOK = ("first", "second", "low", "high", "ceiling")  # columns of a replicate, look by look


class Cell(Protocol):
    """A pair of solutions."""

    def look(self, seed: int, models: int) -> list[float]:
        """What is seen with the first so many models of a replicate, in the order of `PER_LOOK`."""

    def units(self, models: int) -> int:
        """How many units are resampled then."""


@dataclass(frozen=True)
class OneOriginal:
    """Solutions whose runs start from one original model.

    Attributes:
        first, second: of what kind they are; the retrained models are those of the first.
    """

    first: coverage.Cell
    second: coverage.Cell

    def look(self, seed: int, models: int) -> list[float]:
        """As `Cell` has it."""
        first, _, retrained = self.first.draw(np.random.default_rng([VERSION, seed, 0]))
        _, second, other = self.second.draw(np.random.default_rng([VERSION, seed, 1]))
        against = retrained[:models]
        found = [_score(population[:models], against) for population in (first, second)]
        (low, high), _ = differences.difference(*found[0], *found[1])
        ceiling = forgetting_quality(epsilons(other[:models, :-1], against[:, :-1]), models)
        return [found[0][0], found[1][0], low, high, ceiling]

    def units(self, models: int) -> int:
        """As `Cell` has it."""
        return models


@dataclass(frozen=True)
class ManyOriginals:
    """Solutions whose runs start from the same original models, four from each, and whose scores are averaged.

    Attributes:
        first, second: of what kind they are; they differ in the shift alone.
    """

    first: coverage_originals.Cell
    second: coverage_originals.Cell

    def look(self, seed: int, models: int) -> list[float]:
        """As `Cell` has it."""
        first, _, retrained = self._draw(self.first, seed, models)
        _, second, _ = self._draw(self.second, seed, models)  # whose original models are the same
        reference = self._draw(self.first, -seed - 1, models)[2], retrained
        scores = [measures.scores(each, retrained, reference, None, 1) for each in (first, second)]
        found = [
            measures.score_intervals(each, retrained, reference, of, 1)
            for each, of in zip((first, second), scores, strict=True)
        ]
        values = [each.score.value or 0.0 for each in scores]
        deviations = [np.array(each.score_deviations.value) for each in found]
        of_first, of_second = ((each.by_original.score.value if each.by_original else None) or [] for each in scores)
        (low, high), _ = differences.difference(values[0], deviations[0], values[1], deviations[1], (of_first, of_second))
        return [*values, low, high, scores[0].ceiling.value or 0.0]

    @staticmethod
    def _draw(cell: coverage_originals.Cell, seed: int, models: int) -> list[Outputs]:
        """The first so many models of each population."""
        random = np.random.default_rng([VERSION, abs(seed), int(seed < 0)])
        return [outputs.take(np.arange(models)) for outputs in cell.draw(random)]

    def units(self, models: int) -> int:
        """As `Cell` has it."""
        return models // designs.FEWEST_RUNS


def _score(population: Floats, retrained: Floats) -> tuple[float, Floats]:
    """A score and its relative deviations; accuracies are in the last column."""
    quality = forgetting_quality(epsilons(population[:, :-1], retrained[:, :-1]), len(population))
    of_quality = intervals.quality_deviations(population[:, :-1], retrained[:, :-1])
    kept = float(population[:, -1].mean() / retrained[:, -1].mean())
    return quality * kept, of_quality + intervals.ratio_deviations(population[:, -1], retrained[:, -1])


def _cells() -> dict[str, Cell]:
    normal = {shift: coverage.Cell(512, shift=shift, correlation=0.5) for shift in (0.0, 0.3, 0.5, 0.6, 1.0)}
    mixed, heavy = coverage.Cell(512, shift=0.5, correlation=0.9, mixed=True), coverage.Cell(512, correlation=0.5, heavy=True)
    failed = coverage.Cell(512, shift=0.3, correlation=0.5, failed=0.02)
    equal = {"null": normal[0.0], "shift": normal[0.5], "mixed": mixed, "tails": heavy, "failed": failed}
    equal |= {"correlated": coverage.Cell(512, correlation=0.9)}
    cells: dict[str, Cell] = {name: OneOriginal(cell, cell) for name, cell in equal.items()}
    cells |= {"better": OneOriginal(normal[0.3], normal[0.6]), "much_better": OneOriginal(normal[0.3], normal[1.0])}
    for name, share in {"third": 1 / 3, "two_thirds": 2 / 3}.items():
        both = coverage_originals.Cell(512, 128, share)
        cells[f"originals_{name}"] = ManyOriginals(both, both)
    near, far = (coverage_originals.Cell(512, 128, 1 / 3, shift=shift) for shift in (0.3, 0.6))
    cells["originals_better"] = ManyOriginals(near, far)
    return cells


CELLS = _cells()


def replicate(cell: Cell, seed: int) -> list[float]:
    """One replicate: all looks, whether or not the command would have gone on to them."""
    return [value for models in LOOKS for value in cell.look(seed, models)]


def looks(cell: Cell, values: Floats) -> list[Look]:
    """The looks of a replicate, as the command has them: the margin is a tenth of the ceiling."""
    found = []
    for models, share, of in zip(LOOKS, shares(LOOKS), values.reshape(len(LOOKS), -1), strict=True):
        first, second, low, high, ceiling = of.tolist()
        found.append(Look(models, (first, second), at_share((low, high), cell.units(models), share), share, ceiling / 10))
    return found


def row(name: str, values: Floats) -> str:
    """A row of the table."""
    replicates = [looks(CELLS[name], of) for of in values]
    clear = [next((look for look in each if look.verdict), None) for each in replicates]
    verdicts = [look.verdict if look else None for look in clear]
    mean = values.mean(axis=0).reshape(len(LOOKS), -1)
    scores = [" / ".join(f"{score:.3f}" for score in mean[:, column]) for column in (0, 1)]
    stopped = np.mean([look.models if look else LOOKS[-1] for look in clear])

    def share(of: str | None) -> str:
        found = float(np.mean([verdict == of for verdict in verdicts]))
        return f"{found:.1%} ± {2 * np.sqrt(found * (1 - found) / len(verdicts)):.1%}"

    outcomes = " | ".join(map(share, ("first is better", "second is better", "no difference that matters", None)))
    return f"| {name} | {len(values)} | {' | '.join(scores)} | {outcomes} | {stopped:.0f} |"


HEAD = (
    "replicates",
    "score at each look",
    "of the second",
    "first better",
    "second better",
    "no difference that matters",
    "undecided",
    "models",
)


def main() -> None:
    """Simulate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=200, help="per cell (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where replicates are kept")
    parser.add_argument("--cells", nargs="*", choices=CELLS, default=list(CELLS), metavar="CELL", help="default: all")
    options = parser.parse_args()
    settings = {"version": VERSION, "parts": intervals.PARTS, "cuts": intervals.CUTS, "of": measures.RESAMPLED_ORIGINALS}
    results = simulate(
        "sequential", replicate, {name: CELLS[name] for name in options.cells}, options.replicates, options.runs, settings
    )
    at = " / ".join(map(str, LOOKS))
    print(f"looks with {at} models; ± two standard errors\n")
    print(f"| cell | {' | '.join(HEAD)} |")
    print(f"|{'---|' * (1 + len(HEAD))}")
    for name, values in results.items():
        print(row(name, values))


if __name__ == "__main__":
    main()
