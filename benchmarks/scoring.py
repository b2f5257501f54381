"""How long scoring takes from nothing, and a second solution after that; and the starting kit's way of training.

    python benchmarks/scoring.py [--models 512]

The baseline trains the task's network as the starting kit does, one after another through a DataLoader, in one process with
torch's default threads; a few networks of it are timed before the two runs.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from starting_kit import tasks
from starting_kit.contract import PROJECT
from starting_kit.networks import build
from starting_kit.tasks import Data, Task
from starting_kit.training import optimiser_and_schedule

BASELINE_MODELS = 10


def train_like_the_kit(task: Task, data: Data, seed: int) -> None:
    """One network, the task's recipe, a DataLoader."""
    recipe, net = task.recipe, build(task, seed).train()
    examples = TensorDataset(torch.from_numpy(data.images[data.retain]), torch.from_numpy(data.labels[data.retain]))
    loader = DataLoader(examples, batch_size=recipe.batch_size, shuffle=True)
    optimiser, schedule = optimiser_and_schedule(recipe, net, examples=len(examples))
    for _ in range(recipe.epochs):
        for images, labels in loader:
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimiser.step()
            schedule.step()


def main() -> None:
    """Time the baseline and two runs of score.py, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=512)
    models = parser.parse_args().models
    task = tasks.find("digits")
    data = task.load()
    train_like_the_kit(task, data, seed=0)  # the first is slower: kernels are compiled
    start = time.perf_counter()
    for seed in range(BASELINE_MODELS):
        train_like_the_kit(task, data, seed)
    rate = BASELINE_MODELS / (time.perf_counter() - start)
    print("| what | seconds |\n|---|---|")
    print(f"| the kit's way: one population of {models} networks | {models / rate:.0f} (from {BASELINE_MODELS}) |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for solution, title in (("scl_improved", "first run"), ("finetune", "second solution")):
            command = [sys.executable, PROJECT / "evaluation" / "score.py", "--solution", solution, "--models", str(models)]
            start = time.perf_counter()
            subprocess.run(
                [*command, "--runs", f"{folder}/runs", "--results", f"{folder}/results"], check=True, stdout=subprocess.DEVNULL
            )
            print(f"| {title}: `--solution {solution} --models {models}` | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
