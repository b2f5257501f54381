"""Does a task rank solutions as the competition did? Its scores beside every known one of the competition.

    python benchmarks/ranking.py
    python benchmarks/ranking.py --hyperparameters tuned
    python benchmarks/ranking.py --role calibrates    (leaves alone what is held out; docs/tasks.md)

Each entry of evaluation/reports/competition_scores.csv is a solution, some with settings that differ from the published values.
All are scored on the task with 512 models; models that --runs holds already are not made again. With tuned values an entry's
settings change those as they change the published ones: by the same factor what is tuned by its order of magnitude, by the
same difference what is tuned otherwise (within the search space), outright what is not tuned. The cost limit plays no part.
The report follows for both scores of a card, averaged over original models and pooled (`benchmarks/agreement.py`).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.agreement import Scores, report
from evaluation.reports import reported
from evaluation.scoring import ScoringConfig, tuned
from evaluation.scoring import score as score_solution
from evaluation.scoring.config import data_folder
from evaluation.scoring.scorecard import DEFAULT_MODELS, Scorecard
from starting_kit import contract, tasks
from starting_kit.contract import Solution
from starting_kit.errors import InputError, RunError
from starting_kit.search_space import Range, times


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="digits", help="default: %(default)s")
    kinds = ("published", "transferred", "tuned")
    parser.add_argument("--hyperparameters", choices=kinds, default=kinds[0], help="default: %(default)s")
    parser.add_argument("--role", choices=("calibrates", "held out"), help="the entries with this role only (default: all)")
    parser.add_argument(
        "--scores", type=Path, default=reported.KNOWN, metavar="CSV", help=f"known scores (default: {reported.KNOWN.name})"
    )
    parser.add_argument(
        "--data", type=Path, default=data_folder(), help="of tasks that are not embedded (default: %(default)s)"
    )
    parser.add_argument("--models", type=int, default=DEFAULT_MODELS, help="default: %(default)s")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="default: %(default)s")
    options = parser.parse_args()
    entries = [entry for entry in reported.read(options.scores) if options.role in (None, entry.get("role"))]
    if not entries:
        parser.error(f"there are no such scores in {options.scores}")
    cards = []
    with Progress(console=Console(stderr=True)) as progress:
        for entry in progress.track(entries, description="Scoring"):
            cards.append(score(entry, options))
    theirs = np.array([float(entry["score"]) for entry in entries])
    teams = np.array([entry.get("team") or entry["entry"] for entry in entries])
    nine = np.array([bool(entry.get("nine")) for entry in entries])
    ours = by_design(cards)
    print(table(entries, theirs, ours))
    for design, values in ours.items():
        print(f"\nScores {design}:\n")
        print("\n".join(report(Scores(theirs, values, teams), nine, [entry["solution"] for entry in entries])))


def score(entry: dict[str, str], options: argparse.Namespace) -> Scorecard:
    """The scorecard of an entry on the task."""
    path = contract.find(entry["solution"])
    settings = entry["settings"].split()
    fitted = tuned.read(path, tasks.find(options.task, options.data)) if options.hyperparameters == "tuned" else None
    if fitted:
        settings = transfer(
            contract.describe(path, []), contract.describe(path, settings), contract.describe(path, [], fitted.values)
        )
    config = ScoringConfig(
        solution=entry["solution"],
        task=options.task,
        data=options.data,
        models=options.models,
        runs=options.runs,
        results=options.runs / "ranking",
        hyperparameters=options.hyperparameters if fitted or options.hyperparameters != "tuned" else "published",
        set=tuple(settings),
        no_intervals=True,
    )
    try:
        return score_solution(config)
    except (InputError, RunError) as error:
        sys.exit(f"{entry['entry']} failed: {error}")


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


def by_design(cards: list[Scorecard]) -> dict[str, NDArray[np.float64]]:
    """The scores of entries, averaged over original models, and of all runs as one population where cards have that."""
    found = {"averaged": np.array([card.score.value for card in cards], dtype=float)}
    pooled = [card.pooled.score.value for card in cards if not isinstance(card.pooled, UnsetType)]
    return {**found, "pooled": np.array(pooled, dtype=float)} if len(pooled) == len(cards) else found


def table(entries: list[dict[str, str]], theirs: NDArray[np.float64], ours: dict[str, NDArray[np.float64]]) -> str:
    """All entries, best of the competition first, with their scores and ranks there and here."""
    places, *own = (stats.rankdata(-values, "min") for values in (theirs, *ours.values()))
    head = ["#", "entry", "solution", "settings", "competition", *(cell for design in ours for cell in (design, f"# {design}"))]
    rows = [head, ["---"] * len(head)]
    for i in np.argsort(places, kind="stable"):
        entry = entries[i]
        here = [cell for values, ranks in zip(ours.values(), own, strict=True) for cell in (f"{values[i]:.4f}", str(ranks[i]))]
        rows.append([str(places[i]), entry["entry"], entry["solution"], entry["settings"], entry["score"], *here])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


if __name__ == "__main__":
    main()
