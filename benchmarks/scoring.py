"""How long scoring takes from nothing, how long a second solution, how much memory; and the starting kit's way of training.

    python benchmarks/scoring.py [--models 512]

The baseline trains the task's network as the starting kit does, one after another through a DataLoader, in one process with
torch's default threads; a few networks of it are timed before the two runs. Memory is that of all processes together, shared
pages counted once, read twice a second (Linux).
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.populations import train_like_the_kit
from evaluation.scoring import ScoringConfig, score
from starting_kit import tasks

BASELINE_MODELS = 10


def score_in_a_group(config: ScoringConfig) -> None:
    """Score with a process group of its own, whose memory is that of scoring."""
    os.setsid()
    score(config)


def run(config: ScoringConfig) -> tuple[float, float]:
    """Seconds that scoring takes in a fresh process, and the most memory that it and its children use, in MB."""
    start, most = time.perf_counter(), 0.0
    process = multiprocessing.get_context("spawn").Process(target=score_in_a_group, args=(config,))
    process.start()
    while process.is_alive():
        most = max(most, memory_of_group(process.pid or 0))
        time.sleep(0.5)
    if process.exitcode:
        sys.exit(f"scoring {config.solution} failed.")
    return time.perf_counter() - start, most


def memory_of_group(leader: int) -> float:
    """Proportional set size of all processes of a group, in MB."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == leader:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, ProcessLookupError):
            continue  # it has ended meanwhile
    return total / 1024


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
    print("| what | seconds | memory, MB |\n|---|---|---|")
    print(
        f"| the kit's way: one population of {models} networks | {models / rate:.0f} (from {BASELINE_MODELS}) | |", flush=True
    )
    with tempfile.TemporaryDirectory() as folder:
        for solution, title in (("scl_improved", "first run"), ("finetune", "second solution")):
            config = ScoringConfig(solution=solution, models=models, runs=Path(folder, "runs"), results=Path(folder, "results"))
            seconds, memory = run(config)
            print(f"| {title}: `--solution {solution} --models {models}` | {seconds:.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
