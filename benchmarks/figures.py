"""The figures of docs/statistics.md, from simulated populations.

    python benchmarks/figures.py

The last one shows the replicates of coverage.py, and makes those that are missing.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.coverage import CELLS, simulate
from benchmarks.plotting import pyplot
from benchmarks.replicates import coverage
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import BIN_WIDTH, forgetting_quality
from evaluation.shell import run_command

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

EXAMPLES, SCALE, REPLICATES = 30, 1.5, 200
MODELS = (32, 64, 128, 256, 512)
DIFFERENCES = {
    "identical": (0.0, 1.0),
    "shifted by 0.5 s.d.": (0.5, 1.0),
    "shifted by 1 s.d.": (1.0, 1.0),
    "0.6 times the spread": (0.0, 0.6),
}
COVERAGE_REPLICATES = {"subsamples": 1000, "bootstrap": 100, "smoothed": 50, "jackknife": 100}
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"


def draw(random: np.random.Generator, models: int, shift: float, spread: float, examples: int) -> tuple[Floats, Floats]:
    """Confidences of unlearned and retrained models, [models, examples]."""
    unlearned, retrained = random.standard_normal((2, models, examples))
    return SCALE * (spread * unlearned + shift), SCALE * retrained


def qualities(models: int, shift: float, spread: float) -> Floats:
    """F in repetitions of one experiment."""
    random = np.random.default_rng(0)
    pairs = (draw(random, models, shift, spread, EXAMPLES) for _ in range(REPLICATES))
    return np.array([forgetting_quality(epsilons(*pair), models) for pair in pairs])


def what_it_measures(axes: "Axes", other: "Axes") -> None:
    """ε of identical populations, and F as a function of shift and spread."""
    random = np.random.default_rng(0)
    found = epsilons(*draw(random, 512, 0, 1, 3000))
    axes.hist(found, bins=np.arange(0, 5.01, BIN_WIDTH / 5).tolist(), color="tab:blue")
    axes.axvline(np.median(found), color="black", linestyle=":", label=f"median {np.median(found):.2f}")
    axes.set(title="ε of identical populations, N = 512", xlabel="ε (3,000 examples)", ylabel="examples")
    axes.legend()
    differences = np.linspace(0, 2, 21)

    def f(shift: float, spread: float) -> float:
        return forgetting_quality(epsilons(*draw(random, 512, shift, spread, 500)), 512)

    other.plot(differences, [f(d, 1) for d in differences], label="mean shifted by d standard deviations")
    other.plot(differences, [f(0, 2**d) for d in differences], label="spread too large, by 2 to the power of d")
    other.plot(
        differences, [f(0, 0.5**d) for d in differences], linestyle="--", label="spread too small, by 2 to the power of d"
    )
    other.set(title="F by how the populations differ, N = 512", xlabel="d", ylabel="F", ylim=(0, None))
    other.legend()


def why_relative(axes: "Axes", other: "Axes") -> None:
    """F and its relative standard deviation as functions of N."""
    for name, (shift, spread) in DIFFERENCES.items():
        found = [qualities(models, shift, spread) for models in MODELS]
        means, deviations = np.array([q.mean() for q in found]), np.array([q.std(ddof=1) for q in found])
        axes.errorbar(MODELS, means, deviations, capsize=3, label=name)
        other.plot(MODELS, deviations / means, marker="o", label=name)
    other.plot(MODELS, 0.3 * np.sqrt(MODELS[0] / np.array(MODELS)), color="grey", linestyle=":", label="as 1/√N")
    axes.set(title="F, ± one standard deviation of repetitions", ylabel="F")
    other.set(title="standard deviation of F over its mean")
    for side in (axes, other):
        side.set(xlabel="N", xscale="log", ylim=(0, None))
        side.set_xticks(MODELS, labels=map(str, MODELS))
        side.minorticks_off()
    other.legend()


def how_they_cover(axes: "Axes", runs: Path) -> None:
    """Share of intervals that hold the expected F, by cell and method."""
    axes.axhspan(0.92, 0.98, color="tab:green", alpha=0.15, label="92–98 %")
    for offset, (method, replicates) in zip(np.linspace(-0.24, 0.24, 4), COVERAGE_REPLICATES.items(), strict=True):
        found = [coverage(*values[:, :3].T) for values in simulate(method, replicates, runs).values()]
        shares, errors = zip(*found, strict=True)
        axes.errorbar(np.arange(len(CELLS)) + offset, shares, errors, fmt="o", markersize=4, label=method)
    axes.set(title="share of 95 % intervals that hold the expected F", ylim=(0, 1.02), xticks=range(len(CELLS)))
    axes.set_xticklabels(CELLS, rotation=30, ha="right")
    axes.legend(loc="lower right")


def figures(runs: Path) -> Iterator[tuple[str, "Figure"]]:
    """Names and figures."""
    plt = pyplot("figures")
    for name, fill in (("measures", what_it_measures), ("relative", why_relative)):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
        fill(left, right)
        yield name, figure
    figure, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    how_they_cover(axes, runs)
    yield "coverage", figure


def main() -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where coverage.py kept its replicates")
    options = parser.parse_args()
    return run_command(lambda: draw_all(options.runs))


def draw_all(runs: Path) -> None:
    """Draw and write.

    Raises:
        InputError: matplotlib is not installed.
    """
    FOLDER.mkdir(exist_ok=True)
    for name, figure in figures(runs):
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
