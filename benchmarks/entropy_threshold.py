"""How the entropy gate of GKT works: accuracy on retain and forget classes against its threshold ε_H.

For each threshold `gkt_entropy` unlearns an original network so many times, without data; accuracies are on test images, in
percent, the mean and the standard deviation over the seeds. A threshold above the logarithm of the number of classes is none.

    python benchmarks/entropy_threshold.py --task digits --forget class:3
    python benchmarks/entropy_threshold.py --task mnist --data DIR --forget class:0 --network all-cnn-12 --epochs 2 --seeds 5
"""

import argparse
import copy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plotting import pyplot
from evaluation.populations.model_outputs import logits_of
from evaluation.shell import add_data_options, command_parser, run_command
from starting_kit import contract, networks, runner, tasks, training
from starting_kit.contract import Solution
from starting_kit.errors import InputError
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import ONE_AT_A_TIME, Task

Accuracies = NDArray[np.float64]  # on retain and on forget classes, in percent

THRESHOLDS = (0.05, 0.25, 0.4, 0.6, 0.8, 1.2, 2.5)
COLUMNS = ("ε_H", "retain", "s.d.", "forget", "s.d.", "seconds")
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "figures" / "entropy_threshold.svg"


def main() -> int:
    """The command; gives the exit code."""
    parser = command_parser("entropy_threshold.py", __doc__)
    add_data_options(parser)
    add = parser.add_argument
    add("--forget", required=True, metavar="class:ID", help="the class to be forgotten")
    add("--network", metavar="N", help="the network (default: the task's)")
    add("--epochs", type=int, metavar="E", help="epochs of training (default: the task's)")
    add("--thresholds", type=float, nargs="+", default=THRESHOLDS, metavar="H", help="in nats (default: %(default)s)")
    add("--seeds", type=int, default=5, metavar="S", help="runs for each threshold (default: %(default)s)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")
    add("--plot", type=Path, default=FIGURE, metavar="FILE", help="where the curve goes, as SVG (default: %(default)s)")
    options = parser.parse_args()
    return run_command(lambda: show(options))


def show(options: argparse.Namespace) -> None:
    """Print the table, a row as soon as it is known, and draw the curve.

    Raises:
        InputError: an option is wrong.
        SolutionError: the solution failed.
    """
    if options.seeds < 1:
        raise InputError(f"--seeds {options.seeds} is too few; at least 1 is needed.")
    plt = pyplot("figures")
    networks.check(options.network or tasks.find(options.task, options.data).network)
    task = tasks.find(options.task, options.data, options.forget, options.network, options.epochs)
    data = task.load()
    torch.set_num_threads(1)
    (original,) = training.train(task, data, data.training, [0], ONE_AT_A_TIME)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    print(row("original", accuracies(original, task, data)[None], None), flush=True)
    found = {}
    for threshold in options.thresholds:
        solution = contract.describe(contract.find("gkt_entropy"), [*options.set, f"most_entropy={threshold}"])
        start = time.perf_counter()
        found[threshold] = np.array([unlearned(solution, original, task, data, seed) for seed in range(options.seeds)])
        print(row(f"{threshold:g}", found[threshold], (time.perf_counter() - start) / options.seeds), flush=True)
    draw(plt, found, task, options.plot)


def unlearned(solution: Solution, original: torch.nn.Module, task: Task, data: Data, seed: int) -> Accuracies:
    """Accuracies after one call of a solution."""
    runner.start_afresh(seed)
    return accuracies(runner.call(solution, copy.deepcopy(original), task, data, "tuple", data_free=True), task, data)


def accuracies(net: torch.nn.Module, task: Task, data: Data) -> Accuracies:
    """Of a network, on test images of retain and of forget classes."""
    labels = data.labels[data.test]
    right = logits_of(net.eval(), data.images[data.test], task.classes).argmax(axis=1) == labels
    forgotten = np.isin(labels, data.labels[data.forget])
    return 100 * np.array([right[~forgotten].mean(), right[forgotten].mean()])


def row(name: str, found: Accuracies, seconds: float | None) -> str:
    """A row of the table, from accuracies [seeds, 2]."""
    deviations = found.std(axis=0, ddof=1) if len(found) > 1 else [np.nan, np.nan]
    numbers = [f"{value:.2f}" for pair in zip(found.mean(axis=0), deviations, strict=True) for value in pair]
    return f"| {' | '.join([name, *numbers, '-' if seconds is None else f'{seconds:.0f}']).replace('nan', '-')} |"


def draw(plt: Any, found: dict[float, Accuracies], task: Task, file: Path) -> None:
    """The curve, with one standard deviation of the seeds."""
    figure, axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    for side, name in enumerate(("retain classes", "forget class")):
        values = [part[:, side] for part in found.values()]
        axes.errorbar(list(found), [v.mean() for v in values], [v.std() for v in values], marker="o", capsize=3, label=name)
    axes.set(title=f"GKT with an entropy gate, {task.name}, {task.forget}", xlabel="ε_H (nats)", ylabel="test accuracy, %")
    axes.set_ylim(-2, 102)
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
