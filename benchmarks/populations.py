"""How fast populations are made, in which way, and what stands in the way of more.

    python benchmarks/populations.py                                   # digits, everything
    python benchmarks/populations.py --task cifar10_jpeg --data DIR    # ResNet-18 on CIFAR-10; also --task mnist
    python benchmarks/populations.py --task cifar10_jpeg --data DIR --device cuda

The baseline is the starting kit's way: one network after another through a DataLoader, in one process with torch's default
threads (and with our allocator settings, which make it faster than it was). Ours is timed on one core per engine, and as the
scoring process makes populations, with worker processes. `score.py --list-tasks` says what must lie under --data.
"""

import argparse
import copy
import dataclasses
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.populations import jobs, shards
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools
from evaluation.populations.workers import WORKER_ENVIRONMENT
from starting_kit import contract, dry_calls, runner, tasks
from starting_kit.contract import PROJECT, BatchFormat, Solution
from starting_kit.errors import InputError
from starting_kit.loaders import as_numbers
from starting_kit.lockstep.stacked_layers import StackedConvolution
from starting_kit.lockstep.stacking import stack
from starting_kit.networks import CentredConvolution, build
from starting_kit.tasks.data import Data, DataSet
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine, Task
from starting_kit.training import optimiser_and_schedule, train

PLAIN = PROJECT / "tests" / "plain_solutions"
SOLUTIONS = ("finetune", "scl_improved", *map(str, sorted(PLAIN.glob("*.py"))))
KIT_MODELS = 6
THIN = ("resnet18:8", "resnet18:16")
THIN_MEMBERS, THIN_BATCH = 32, 8
PARTS = {"mnist": (2000, 2), "cifar10_jpeg": (800, 1)}  # training images, epochs


# --- tasks


def benchmark_task(name: str, folder: Path, network: str | None) -> Task:
    """A task of the project; of a large one a part that shows the speed, two thousand images or less."""
    task = tasks.find(name, folder, network=network)
    if name not in PARTS:
        return task
    training, epochs = PARTS[name]
    recipe = dataclasses.replace(task.recipe, epochs=epochs, batch_size=64)
    return dataclasses.replace(task, read=partial(first_of, task.read, training), recipe=recipe)


def first_of(read: Callable[[Path], DataSet], training: int, folder: Path) -> DataSet:
    """A data set with so many training images, and 500 to hold out."""
    whole = read(folder)
    return dataclasses.replace(
        whole, training=whole.training[:training], validation=whole.validation[:500], test=whole.test[:500]
    )


# --- the baseline


def train_like_the_kit(task: Task, data: Data, seed: int, device: str = "cpu") -> None:
    """One network, the task's recipe, a DataLoader."""
    recipe, net = task.recipe, build(task, seed).train().to(device)
    for layer in net.modules():
        if isinstance(layer, CentredConvolution):
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]  # torchvision's network as it is
    images, labels = torch.from_numpy(data.images[data.retain]), torch.from_numpy(data.labels[data.retain])
    examples = TensorDataset(as_numbers(images), labels)
    loader = DataLoader(examples, batch_size=recipe.batch_size, shuffle=True)
    optimiser, schedule = optimiser_and_schedule(recipe, net, examples=len(examples))
    for _ in range(recipe.epochs):
        for images, labels in loader:
            optimiser.zero_grad()
            F.cross_entropy(net(images.to(device)), labels.to(device)).backward()
            optimiser.step()
            schedule.step()


# --- measuring


def seconds(function: Callable[[], object], device: str = "cpu") -> float:
    """Wall time of a call."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def matrix_rate(device: str) -> float:
    """Products of square matrices per second, in GFLOP/s: what the arithmetic could reach (bfloat16 on a GPU)."""
    size, kind = (8192, torch.bfloat16) if device == "cuda" else (1024, torch.float32)
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    return 2 * size**3 / 1e9 / min(seconds(lambda: a @ b, device) for _ in range(20))


def work(task: Task, data: Data) -> float:
    """GFLOP to train one network: convolutions and matrix products, forward and backward."""
    net, size = build(task, 0), task.recipe.batch_size
    images, labels = torch.from_numpy(data.images[:size]), torch.from_numpy(data.labels[:size])
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(net(images), labels).backward()
    operations: int = counter.get_total_flops()
    return operations / size * len(data.retain) * task.recipe.epochs / 1e9


def row(*cells: object) -> None:
    """A line of a Markdown table, at once."""
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def engines_table(task: Task, data: Data, device: str, members: Sequence[int]) -> None:
    """Every way of training on one core (or one GPU), in seconds per network, and how near it comes to the arithmetic."""
    first_epoch = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, epochs=1))
    threads, gflop = torch.get_num_threads(), work(task, data)

    def kits_way() -> None:
        for seed in range(KIT_MODELS):
            train_like_the_kit(task, data, seed, device)

    kit = seconds(kits_way, device) / KIT_MODELS
    torch.set_num_threads(1)
    rate = matrix_rate(device)
    print(f"\n{task.network}, {gflop:.2f} GFLOP per network; matrix products at {rate:.0f} GFLOP/s (one core or one GPU)\n")
    row("engine", "networks at once", "seconds per network", "times the kit's way", "GFLOP/s", "of matrix products")
    row("---", "---", "---", "---", "---", "---")
    row(f"the kit's way ({threads} threads)", 1, f"{kit:.3f}", "1.0", f"{gflop / kit:.0f}", "")
    engines = [ONE_AT_A_TIME, Engine("mapped", members[-1]), *(Engine("grouped", count) for count in members)]
    for engine in engines:
        train(first_epoch, data, data.retain, range(engine.members), engine, device)  # compiles kernels
        each = seconds(partial(train, task, data, data.retain, range(engine.members), engine, device), device) / engine.members
        speed = gflop / each
        row(engine.kind, engine.members, f"{each:.3f}", f"{kit / each:.1f}", f"{speed:.0f}", f"{speed / rate:.0%}")
    torch.set_num_threads(threads)


def populations_table(task: Task, counts: Sequence[int]) -> None:
    """Whole populations, as scoring makes them: outputs evaluated and stored."""
    print()
    row("retrained models", "workers", "seconds", "models/s", "largest worker so far, MB")
    row("---", "---", "---", "---", "---")
    for workers in (1, 2):
        for count in counts if workers == 2 else counts[:1]:
            with tempfile.TemporaryDirectory() as folder, LocalProcesses(workers, print) as executor:
                executor.run_all(jobs.look_at_data, [(task,)] * workers)  # starts them: importing torch is not timed here
                population = Population(task, "retrained", 0, Path(folder), task.engine)
                took = seconds(partial(shards.make, population, count, Pools(executor, executor), lambda models: None, print))
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            row(count, workers, f"{took:.1f}", f"{count / took:.1f}", f"{memory:.0f}")


def solutions_table(task: Task, data: Data) -> None:
    """Solutions one model at a time and in lockstep, on one core."""
    torch.set_num_threads(1)
    original, count = train(task, data, data.training, [0])[0], task.unlearned_at_once
    print()
    row("solution", "one at a time, ms per model", f"{count} in lockstep, ms per model", "times faster")
    row("---", "---", "---", "---")
    for name in SOLUTIONS:
        solution = contract.describe(contract.find(name), [])
        runner.start_afresh(0)
        batches = dry_calls.find_batches(solution, original, task, data)

        def single(solution: Solution = solution, batches: BatchFormat = batches) -> None:
            for seed in range(count):
                runner.start_afresh(seed)
                runner.call(solution, copy.deepcopy(original), task, data, batches)

        def lockstep(solution: Solution = solution, batches: BatchFormat = batches) -> None:
            runner.start_afresh(0)
            nets = [copy.deepcopy(original) for _ in range(count)]
            runner.call_in_lockstep(solution, nets, task, [data] * count, batches, range(count))

        times = {way: sorted(seconds(way) for _ in range(4))[1] / count * 1000 for way in (single, lockstep)}
        row(solution.name, *(f"{ms:.1f}" for ms in times.values()), f"{times[single] / times[lockstep]:.1f}")


def profile_table(task: Task, data: Data) -> None:
    """Where a training step's time goes."""
    torch.set_num_threads(1)
    short = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, epochs=2))
    seeds = range(task.engine.members)
    train(short, data, data.retain, seeds)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        train(short, data, data.retain, seeds)
    averages = recorded.key_averages()
    total = sum(event.self_cpu_time_total for event in averages)
    print()
    row("operation", "of the time", "calls per step")
    row("---", "---", "---")
    steps = short.recipe.epochs * -(-len(data.retain) // short.recipe.batch_size)
    for event in sorted(averages, key=lambda event: -event.self_cpu_time_total)[:10]:
        row(event.key.removeprefix("aten::"), f"{event.self_cpu_time_total / total:.0%}", round(event.count / steps, 1))


def thin_steps_table(task: Task) -> None:
    """Steps of Adam on thin ResNets, with torch's own grouped convolutions and Adam and with ours, by turns."""
    torch.set_num_threads(1)
    images, labels = (
        torch.rand(THIN_BATCH * THIN_MEMBERS, *task.image_shape),
        torch.zeros(THIN_BATCH * THIN_MEMBERS, dtype=torch.long),
    )
    print()
    row("network", f"{THIN_MEMBERS} x {THIN_BATCH} images, torch's layers, ms a step", "ours", "times faster")
    row("---", "---", "---", "---")
    for network in THIN:
        thin = dataclasses.replace(task, network=network)
        recipe = dataclasses.replace(task.recipe, kind="adam", peak_learning_rate=1e-3)
        ours, torchs = (stack([build(thin, seed) for seed in range(THIN_MEMBERS)]).train() for _ in range(2))
        for layer in torchs.modules():
            if isinstance(layer, StackedConvolution):
                layer.__class__ = CentredConvolution if layer.kernel_size == (3, 3) else nn.Conv2d  # type: ignore[assignment]
        optimisers = Adam(torchs.parameters()), optimiser_and_schedule(recipe, ours, 1)[0]

        def step(net: nn.Module, optimiser: Optimizer) -> None:
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimiser.step()

        pairs = list(zip((torchs, ours), optimisers, strict=True))
        times = np.median([[seconds(partial(step, *pair)) for pair in pairs] for _ in range(30)], axis=0)
        row(network, *(f"{1000 * took:.1f}" for took in times), f"{times[0] / times[1]:.2f}")


def extrapolation(task: Task, data: Data, device: str, members: Sequence[int]) -> Iterator[str]:
    """What the measured steps mean for 512 networks, 30 epochs of 45,000 images."""
    steps = task.recipe.epochs * -(-len(data.retain) // task.recipe.batch_size)
    for count in members:
        engine = Engine("grouped", count)
        took = seconds(partial(train, task, data, data.retain, range(count), engine, device), device)
        hours = took / steps / count * 512 * 30 * (45_000 / task.recipe.batch_size) / 3600
        per_step = took / steps / count * 1000
        yield f"grouped, {count} at once: {per_step:.2f} ms per network and step, {hours:.1f} h for 512 networks of 30 epochs"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=("digits", "mnist", "cifar10_jpeg"), default="digits")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("UNLEARNING_DATA") or "data"), metavar="DIR")
    parser.add_argument("--network", metavar="N", help="default: the task's")
    parser.add_argument("--models", type=int, nargs="+", default=[64, 128, 256, 512], metavar="N", help="populations of digits")
    parser.add_argument("--members", type=int, nargs="+", metavar="K", help="networks at once")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    try:
        task = benchmark_task(options.task, options.data, options.network)
        data = task.load()
    except InputError as error:
        sys.exit(str(error))
    large, gpu = options.task == "cifar10_jpeg", options.device == "cuda"
    members = options.members or ([16, 32, 64, 128] if gpu else [2, 4] if large else [4, 8, 16, 32])
    machine = torch.cuda.get_device_name() if gpu else f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"{options.task} on {machine}, torch {torch.__version__}, {date.today()}")
    engines_table(task, data, options.device, members)
    if large:
        print(*extrapolation(task, data, options.device, members), sep="\n")
    if options.task == "digits" and not gpu:
        profile_table(task, data)
        thin_steps_table(task)
        solutions_table(task, data)
        populations_table(task, options.models)


if __name__ == "__main__":
    allocator = {name: value for name, value in WORKER_ENVIRONMENT.items() if name.startswith("MALLOC_")}
    if not allocator.items() <= os.environ.items():  # read when a process starts; the baseline profits from them as well
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **allocator})
    main()
