"""Folders with a solution and what lies beside it."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from starting_kit import contract, runner, tasks
from starting_kit.networks import build

Write = Callable[..., Path]


@pytest.fixture(name="write")
def write_files(tmp_path: Path) -> Write:
    """Writes the files of a folder, their names given with `__` for `/`, and gives the solution, `mine.py`."""

    def files(mine: str, name: str = "mine", **others: str) -> Path:
        for other, text in {name: mine, **others}.items():
            file = tmp_path.joinpath(*other.split("__")).with_suffix(".py")
            if others and file.name == "init.py":
                file = file.with_name("__init__.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return tmp_path / f"{name}.py"

    return files


TASK = tasks.find("digits")
DATA = TASK.load()


def called(path: Path, seed: int = 0, device: str = "cpu") -> nn.Module:
    """What one call of a solution makes of a new network of `digits`, from a seed."""
    solution, net = contract.describe(path, []), build(TASK, seed=0)
    runner.start_afresh(seed)
    return runner.call(solution, net, TASK, DATA, "tuple", device)


def called_in_lockstep(path: Path, seeds: list[int]) -> list[nn.Module]:
    """What one call of a solution makes of several networks."""
    solution, nets = contract.describe(path, []), [build(TASK, seed=0) for _ in seeds]
    runner.start_afresh(seeds[0])
    return runner.call_in_lockstep(solution, nets, TASK, [DATA] * len(seeds), "tuple", seeds)


def weights(net: nn.Module) -> Tensor:
    """All weights of a network, one after another."""
    return torch.cat([weight.detach().flatten() for weight in net.parameters()])
