"""What losses say of a solution: the table of the project Zero-Shot-Machine-Unlearning-MNIST-HAM10000.

Attack accuracy (the starting kit's logistic regression on the losses of forget and test images, 0.5 is a blind guess), mean
loss on retain images before and after, on test and on forget images: of retrained models, of the solution's, and, as a control
that the project lacks, of original models. Each cell is the mean over the models and their standard deviation. "Before" is an
untrained network, or the original model that a solution starts from.

    python benchmarks/losses.py --task ham10000_8x8 --solution finetune_augmented --models 64 --data DIR

Options are those of evaluation/score.py, and the same populations are made, or found in --runs.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation import options
from evaluation.attacks.membership import membership_accuracies
from evaluation.metric.outputs import Outputs
from evaluation.populations.materials import load_data, original_model
from evaluation.populations.model_outputs import logits_of
from evaluation.populations.population import Kind, Population
from evaluation.populations.shards import load_arrays
from evaluation.reports.console import ConsoleReporter
from evaluation.scoring import ScoringConfig, experiment
from evaluation.shell import run_command
from starting_kit import contract
from starting_kit.networks import build

Floats = NDArray[np.float64]

ROWS: dict[Kind, str] = {"retrained": "retrained", "unlearned": "{}", "original": "original"}
COLUMNS = ("models", "attack accuracy", "retain loss before", "retain loss after", "test loss", "forget loss", "test accuracy")


def main() -> int:
    """Make the populations that are missing, and print the table."""
    given = options.parse(None, __doc__)
    return run_command(lambda: show(options.scoring_config(given)), given.debug)


def show(config: ScoringConfig) -> None:
    """Print the table."""
    config.check()
    made = experiment.run(config, config.find_task(), contract.find(config.solution), None, ConsoleReporter(), {})
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    outputs = made.outputs()
    for kind, title in ROWS.items():
        before = losses_before(made.populations[kind], made.models[kind])
        print(f"| {title.format(config.solution)} | {' | '.join(cells(outputs[kind], before))} |")


def cells(outputs: Outputs, before: Floats) -> list[str]:
    """A row: means over models and standard deviations."""
    losses = {split: np.logaddexp(0.0, -values) for split, values in outputs.confidences.items()}
    attack = membership_accuracies(outputs.confidences["forget"], outputs.confidences["test"])
    after = [losses[split].mean(axis=1) for split in ("retain", "test", "forget")]
    return [f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" for values in (attack, before, *after, outputs.accuracy["test"])]


def losses_before(population: Population, models: int) -> Floats:
    """Mean loss of each model on the retain images of which logits are kept, before it was trained or unlearned, [models]."""
    data = load_data(population.task)
    ids = load_arrays(population, 1)["ids_retain"]
    labels = data.labels[ids]
    losses = []
    for model in range(models):
        if population.original is not None:
            net = original_model(population.original, population.original_of(model))
        else:
            net = build(population.task, population.model_seed(model)).eval()
        logits = torch.from_numpy(logits_of(net, data.images[ids], population.task.classes))
        losses.append(torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item())
    return np.array(losses)


if __name__ == "__main__":
    sys.exit(main())
