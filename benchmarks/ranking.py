"""Does a task rank solutions as the competition did? Rank correlation with every known score of the competition.

    python benchmarks/ranking.py
    python benchmarks/ranking.py --hyperparameters tuned

Each entry of evaluation/reports/competition_scores.csv is a solution, some with settings that differ from the published values.
All are scored on the task with 512 models; models that --runs holds already are not made again. With tuned values an entry's
settings change those as they change the published ones: by the same factor what is tuned by its order of magnitude, by the
same difference what is tuned otherwise (within the search space), outright what is not tuned. The cost limit plays no part.
The intervals come from resampling the entries.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.reports import reported
from evaluation.scoring import ScoringConfig, tuned
from evaluation.scoring import score as score_solution
from evaluation.scoring.scorecard import DEFAULT_MODELS
from starting_kit import contract, tasks
from starting_kit.contract import Solution
from starting_kit.errors import InputError, RunError
from starting_kit.search_space import Range, times

RESAMPLES = 9999


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="digits", help="default: %(default)s")
    parser.add_argument("--hyperparameters", choices=("published", "tuned"), default="published", help="default: %(default)s")
    parser.add_argument(
        "--scores", type=Path, default=reported.KNOWN, metavar="CSV", help=f"known scores (default: {reported.KNOWN.name})"
    )
    parser.add_argument("--models", type=int, default=DEFAULT_MODELS, help="default: %(default)s")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="default: %(default)s")
    options = parser.parse_args()
    entries = reported.read(options.scores)
    if not entries:
        parser.error(f"there are no scores in {options.scores}")
    ours = []
    with Progress(console=Console(stderr=True)) as progress:
        for entry in progress.track(entries, description="Scoring"):
            ours.append(score(entry, options))
    theirs = [float(entry["score"]) for entry in entries]
    print(table(entries, ours))
    print()
    for name, statistic in (("Spearman's ρ", spearman), ("Kendall's τ", kendall)):
        low, high = stats.bootstrap(
            (theirs, ours), statistic, paired=True, vectorized=False, n_resamples=RESAMPLES, method="percentile", rng=0
        ).confidence_interval
        print(f"{name}: {statistic(theirs, ours):.2f}, 95 % interval {low:.2f} to {high:.2f}, {len(entries)} entries")


def score(entry: dict[str, str], options: argparse.Namespace) -> float:
    """Score of an entry on the task."""
    path = contract.find(entry["solution"])
    settings = entry["settings"].split()
    fitted = tuned.read(path, tasks.find(options.task)) if options.hyperparameters == "tuned" else None
    if fitted:
        settings = transfer(
            contract.describe(path, []), contract.describe(path, settings), contract.describe(path, [], fitted.values)
        )
    config = ScoringConfig(
        solution=entry["solution"],
        task=options.task,
        models=options.models,
        runs=options.runs,
        results=options.runs / "ranking",
        hyperparameters="tuned" if fitted else "published",
        set=tuple(settings),
        no_intervals=True,
    )
    try:
        found = score_solution(config).score.value
    except (InputError, RunError) as error:
        sys.exit(f"{entry['entry']} failed: {error}")
    assert found is not None, "all accuracies are known"
    return found


def transfer(published: Solution, variant: Solution, fitted: Solution) -> list[str]:
    """Settings that change tuned values as a variant changes the published ones.

    Args:
        published: the solution with its published values.
        variant: with the settings of an entry.
        fitted: with the tuned values.
    """
    moved = {
        name: _moved(published.hyperparameters[name], variant.overrides[name], fitted.hyperparameters[name], limits)
        for name, limits in published.search_space.items()
        if name in variant.overrides
    }
    return [f"{name}={moved.get(name, value)}" for name, value in variant.overrides.items()]


def _moved(published: Any, variant: Any, fitted: Any, limits: Range) -> Any:
    if limits.kind == "choice":
        return variant
    if limits.kind == "factor":  # tuples of learning rates, all of them multiplied by one number
        return times(variant, _first(fitted) / _first(published))
    moved = fitted * variant / published if limits.log else fitted + variant - published
    if limits.kind == "whole":
        return max(1, round(moved))
    if not limits.low <= variant <= limits.high:  # it takes a step out of the method
        return variant
    return min(max(moved, limits.low), limits.high)


def _first(values: Any) -> float:
    return _first(values[0]) if isinstance(values, list) else values


def spearman(first: Any, second: Any) -> float:
    """Rank correlation."""
    return float(stats.spearmanr(first, second).statistic)


def kendall(first: Any, second: Any) -> float:
    """Rank correlation by pairs, ties accounted for (τ-b)."""
    return float(stats.kendalltau(first, second).statistic)


def table(entries: list[dict[str, str]], ours: list[float]) -> str:
    """All entries, best of the competition first, with both scores and ranks."""
    ranks = [stats.rankdata([-value for value in values], "min") for values in ([float(e["score"]) for e in entries], ours)]
    rows = [
        f"| {theirs} | {entry['entry']} | {entry['solution']} | {entry['settings']} | {entry['score']} | {own:.4f} | {place} |"
        for entry, own, theirs, place in zip(entries, ours, *ranks, strict=True)
    ]
    order = np.argsort(ranks[0], kind="stable")
    head = "| # | entry | solution | settings | competition | here | # here |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(rows[i] for i in order)])


if __name__ == "__main__":
    main()
