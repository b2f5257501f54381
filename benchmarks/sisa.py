"""SISA by shards and slices: accuracy, what a deletion costs, and storage. A Markdown table, and a plot as SVG.

Each ensemble is trained on all training images; then, from there, one image is taken back, or the task's forget set. Both are
compared with retraining: of the ensemble, and of one ordinary network, on the same images. Seconds are those of the processor,
with one thread. That the deletion of the forget set gives the retrained ensemble bit for bit is checked each time.

    python benchmarks/sisa.py --models 5
    python benchmarks/sisa.py --task mnist --data DIR --forget class:0
"""

import argparse
import copy
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plotting import pyplot
from evaluation.populations.model_outputs import logits_of
from evaluation.shell import add_data_options, run_command
from solutions.parts import sisa
from starting_kit import tasks, training
from starting_kit.errors import InputError, RunError
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import ONE_AT_A_TIME, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARDS, SLICES = (1, 5, 10, 20), (1, 5)
PLOT = Path(__file__).resolve().parents[1] / "docs" / "figures" / "sisa.svg"
COLUMNS = (
    "shards", "slices", "test accuracy", "one image / ensemble", "/ network", "forget set / ensemble", "/ network", "MB"
)  # fmt: skip

# For each (shards, slices), by name, a value for each model; the ordinary network is (0, 0).
Measured = dict[tuple[int, int], dict[str, list[float]]]


def main() -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--forget", metavar="KIND", help="what is to be forgotten (default: the task's)")
    parser.add_argument("--epochs", type=int, metavar="E", help="epochs of training (default: the task's)")
    parser.add_argument("--models", type=int, default=5, metavar="N", help="ensembles of each kind (default: %(default)s)")
    parser.add_argument("--plot", type=Path, default=PLOT, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    return run_command(lambda: show(options))


def show(options: argparse.Namespace) -> None:
    """Measure, print the table, write the plot.

    Raises:
        InputError: an option is wrong, or data are missing.
        RunError: a deletion was not exact.
    """
    if options.models < 2:
        raise InputError(f"--models {options.models} is too few; a standard deviation needs 2.")
    plt = pyplot("sisa")
    torch.set_num_threads(1)
    task = tasks.find(options.task, options.data, options.forget, None, options.epochs)
    data = task.load()
    measured: Measured = defaultdict(lambda: defaultdict(list))
    kinds = [(shards, slices) for shards in SHARDS for slices in SLICES]
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("Training", total=options.models * (1 + len(kinds)))
        for model in range(options.models):
            note(measured[0, 0], of_network(task, data, model))
            progress.advance(bar)
            for kind in kinds:
                note(measured[kind], of_ensemble(task, data, model, *kind))
                progress.advance(bar)
    print(table(measured))
    plot(plt, measured, options.plot)


def note(measured: dict[str, list[float]], values: dict[str, float]) -> None:
    """Add the values of one model."""
    for name, value in values.items():
        measured[name].append(value)


def of_network(task: Task, data: Data, model: int) -> dict[str, float]:
    """What is measured of an ordinary network."""

    def train(examples: Ids) -> nn.Module:
        return training.train(task, data, examples, [model], ONE_AT_A_TIME)[0]

    _, whole = timed(train, data.training)
    net, rest = timed(train, data.retain)
    megabytes = sum(tensor.nbytes for tensor in net.state_dict().values()) / 1e6
    return {"accuracy": test_accuracy(net, data, task), "train": whole, "retrain": rest, "megabytes": megabytes}


def of_ensemble(task: Task, data: Data, model: int, shards: int, slices: int) -> dict[str, float]:
    """What is measured of an ensemble, with the model's number as its seed.

    Raises:
        RunError: the deletion was not exact.
    """

    def train(examples: Ids) -> sisa.Sisa:
        return sisa.train(task, model, data, examples, shards, slices)

    ensemble, whole = timed(train, data.training)
    megabytes = ensemble.storage() / 1e6
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    one = ensemble.examples[model % shards][model % slices][:1]  # each slice in turn
    _, single = timed(copy.deepcopy(ensemble).forget, one, images, labels)
    retrained, rest = timed(train, data.retain)
    _, request = timed(ensemble.forget, data.forget, images, labels)
    pairs = zip(ensemble.state_dict().values(), retrained.state_dict().values(), strict=True)
    if not all(torch.equal(*pair) for pair in pairs):
        raise RunError(f"{shards} shards of {slices} slices: the deletion did not give the retrained ensemble (seed {model}).")
    accuracy = test_accuracy(retrained, data, task)
    times = {"train": whole, "retrain": rest, "single": single, "request": request}
    return {"accuracy": accuracy, "megabytes": megabytes, **times}


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """A result, and the seconds of the processor that it took."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


def test_accuracy(net: nn.Module, data: Data, task: Task) -> float:
    """Share of right answers on the test images."""
    logits = logits_of(net, data.images[data.test], task.classes)
    return float((logits.argmax(axis=1) == data.labels[data.test]).mean())


def cost(measured: Measured, kind: tuple[int, int], deletion: str, ensemble: bool) -> float:
    """Mean seconds of a deletion over those of a retraining, of the ensemble or of the ordinary network.

    A retraining without one image is taken to last as long as the training with it.
    """
    whole = {"single": "train", "request": "retrain"}[deletion]
    return float(np.mean(measured[kind][deletion]) / np.mean(measured[kind if ensemble else (0, 0)][whole]))


def table(measured: Measured) -> str:
    """All kinds as Markdown; costs in percent of a retraining."""
    rows = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for kind, values in measured.items():
        accuracy = f"{np.mean(values['accuracy']):.1%} ± {100 * np.std(values['accuracy'], ddof=1):.1f}"
        costs = [
            f"{cost(measured, kind, deletion, ensemble):.1%}" if any(kind) else "-"
            for deletion in ("single", "request")
            for ensemble in (True, False)
        ]
        shards, slices = map(str, kind) if any(kind) else ("one network", "-")
        cells = (shards, slices, accuracy, *costs, f"{np.mean(values['megabytes']):.3f}")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def plot(plt: Any, measured: Measured, path: Path) -> None:
    """Accuracy, cost and storage by shards, a line for each number of slices."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    for slices, colour in zip(SLICES, ("tab:blue", "tab:orange"), strict=True):
        label = f"{slices} slice{'s' if slices > 1 else ''}"
        accuracy = np.array([measured[shards, slices]["accuracy"] for shards in SHARDS])
        left.errorbar(SHARDS, accuracy.mean(1), accuracy.std(1, ddof=1), capsize=3, color=colour, label=label)
        for deletion, style in (("single", "-"), ("request", "--")):
            costs = [cost(measured, (shards, slices), deletion, ensemble=True) for shards in SHARDS]
            what = "one image" if deletion == "single" else "forget set"
            middle.plot(SHARDS, costs, style, marker="o", markersize=3, color=colour, label=f"{what}, {label}")
        expected = [(2 * slices + 1) / (3 * slices) / shards for shards in SHARDS]
        middle.plot(SHARDS, expected, ":", color="grey", label=None if slices > 1 else "one image, expected")
        megabytes = [np.mean(measured[shards, slices]["megabytes"]) for shards in SHARDS]
        right.plot(SHARDS, megabytes, marker="o", markersize=3, color=colour, label=label)
    left.axhline(np.mean(measured[0, 0]["accuracy"]), color="grey", linestyle=":", label="one network")
    right.axhline(np.mean(measured[0, 0]["megabytes"]), color="grey", linestyle=":", label="one network")
    describe(left, "test accuracy, ± one s.d. of models")
    describe(middle, "deletion, share of the ensemble's retraining")
    describe(right, "storage, MB")
    middle.set_yscale("log")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def describe(axes: "Axes", title: str) -> None:
    """Title and legend of a side, and the shards along its axis."""
    axes.set(title=title, xlabel="shards")
    axes.set_xticks(SHARDS, labels=map(str, SHARDS))
    axes.legend()


if __name__ == "__main__":
    sys.exit(main())
