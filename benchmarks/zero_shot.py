"""The table of zero-shot unlearning: what is left of a forgotten class, and of the others, beside what is reported.

Accuracy on test images of the retain classes (D_r) and of the forgotten class (D_f) in percent, and the Anamnesis Index (1 is
ideal), means over models with 95 % intervals; the time of an unlearning over that of a retraining. Each model starts from an
original model of its own, and no solution is given data.

    python benchmarks/zero_shot.py --task mnist --data DIR --network all-cnn-12 --epochs 2 --forget class:0 --models 5
    python benchmarks/zero_shot.py --task ham10000_8x8 --data DIR --forget class:6 --models 5

Options are those of evaluation/score.py; --solution limits the table to one method. The same populations are made, or found in
--runs: an interrupted run goes on where it stopped.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import UNSET

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation import options
from evaluation.reports.console import ConsoleReporter
from evaluation.scoring import Scorecard, ScoringConfig, score
from evaluation.scoring.scorecard import Estimate
from evaluation.shell import run_command
from starting_kit.errors import InputError

# Accuracy on D_r and D_f, reported for MNIST, All-CNN, class 0 (GKT's paper, and SP1029/CS-772-Unlearning for the variants).
REPORTED = {
    "original": "97.84 / -",
    "retrained": "99.25 / 0",
    "gkt": "97.12 / 0",
    "gkt_entropy": "98.3 / -",
    "gkt_no_attention": "below 50 / 0",
    "gkt_deep_inversion": "40–50 / -, 80–85 with 6,000 images a class",
    "emmn": "10.57 / 0",
}
METHODS = tuple(name for name in REPORTED if name not in ("original", "retrained"))
COLUMNS = ("models", "D_r", "D_f", "AIN", "cost", "reported for MNIST: D_r / D_f")


def main() -> int:
    """Make the populations that are missing, and print the table."""
    given = options.parse(None, __doc__)
    methods = (given.solution,) if "solution" in given else METHODS
    return run_command(lambda: show(options.scoring_config(given, solution=methods[0]), methods), given.debug)


def show(config: ScoringConfig, methods: Sequence[str]) -> None:
    """Print the table, a row as soon as it is known.

    Raises:
        InputError: the forget request is not a class, or an option is wrong.
        RunError: a method failed.
    """
    if config.find_task().forgotten_class is None:
        raise InputError("Zero-shot unlearning forgets a class: give --forget class:ID.")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for number, name in enumerate(methods):
        own = replace(config, solution=name, originals=config.models, data_free=True, no_intervals=True)
        card = score(own, ConsoleReporter())
        if not number:
            for kind in ("original", "retrained"):
                print(row(kind, card, kind), flush=True)
        print(row(name, card, "unlearned"), flush=True)


def row(name: str, card: Scorecard, kind: str) -> str:
    """What was measured of some models, and what is reported."""
    assert card.class_forgetting is not UNSET and card.class_forgetting.value, "a class is forgotten"
    measures = card.class_forgetting.value
    found = measures.retain_classes_accuracy.value, measures.forget_class_accuracy.value
    accuracies = [interval(estimates[kind]) if estimates else "-" for estimates in found]
    index, cost = "", ""
    if kind == "unlearned":
        measured, cost = measures.anamnesis_index.value, f"{card.cost:.0%}"
        ends = measured and measured.interval.value
        index = "-" if not measured else f"{measured.value:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")
    return f"| {' | '.join([name, *accuracies, index, cost, REPORTED.get(name, '')])} |"


def interval(accuracy: Estimate) -> str:
    """A mean and its interval, in percent."""
    low, high = accuracy.interval
    return f"{accuracy.mean:.1%} ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    sys.exit(main())
