"""A call of a solution, taken apart: what it returns is looked at before anything is put in order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from evaluation.checking.subject import Subject
from evaluation.populations import materials
from starting_kit import runner
from starting_kit.loaders import Loaders, loaders
from starting_kit.streams import printed
from starting_kit.surroundings import surroundings
from starting_kit.tasks.data import Data


class Caller:
    """Calls a solution on the first original model.

    Attributes:
        solution: as it is described.
        data: of the task.
        seed: of the first unlearned model, and of the second.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject, self.solution = subject, subject.solution()
        self.original = subject.population("original")
        self.data: Data = materials.load_data(subject.task)
        unlearned = self.original.unlearned_by(self.solution, subject.batches, self.original.engine)
        self.seeds = [unlearned.model_seed(model) for model in range(2)]

    def network(self) -> nn.Module:
        """The original model."""
        torch.set_num_threads(1)
        return materials.original_model(self.original)

    def loaders(self) -> Loaders:
        """What it is given."""
        task = self.solution.given(self.subject.task)
        return loaders(task, self.data, self.subject.batches, data_free=self.subject.data_free)

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Around a load or a call."""
        with surroundings(self.solution.path, self.solution.visible), printed():
            yield

    def loaded(self, net: nn.Module) -> Callable[..., Any]:
        """Its function, freshly loaded."""
        return runner.fresh_function(self.solution, "unlearning", net)

    def call(self, function: Callable[..., Any], net: nn.Module, seed: int) -> Any:
        """What the function returns.

        Raises:
            DataWithheldError: it reads data that it is not given.
            SolutionError: it raised.
        """
        given = self.loaders()
        runner.start_afresh(seed)
        return runner.returned_by(self.solution, function, net, given)

    def call_once(self, net: nn.Module, seed: int) -> Any:
        """What a call returns, from a fresh load.

        Raises:
            DataWithheldError: it reads data that it is not given.
            SolutionError: it raised.
        """
        with self.surroundings():
            return self.call(self.loaded(net), net, seed)


def given(returned: Any, net: nn.Module) -> nn.Module:
    """The network that a call gives."""
    return returned if isinstance(returned, nn.Module) else net


def state(net: nn.Module) -> dict[str, Tensor]:
    """Copies of weights and buffers by name, as they are."""
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items() if isinstance(tensor, Tensor)}
