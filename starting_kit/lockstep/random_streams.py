"""What a solution that runs in lockstep sees of its K members: one model, whose batches are K times as large.

Each member has a random generator, seeded as the global one would be if the member were alone. Everything that the solution
draws for a member comes from there, in the same order: the batches of the loaders it is given and of loaders it builds on
their data sets, and random tensors whose first axis is the members one after another (noise on weights or images, new weights,
random labels). What is drawn otherwise is drawn once for all, so a solution in which that matters fails the proof
(`starting_kit.lockstep.proof`) and is called once per model.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest import mock

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.nn import init
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

from starting_kit.errors import RunError
from starting_kit.loaders import Batch, Examples, Loaders, Memory, Withheld, draw_base_seed
from starting_kit.outlines import Outlined


class StackedExamples(Outlined):
    """The examples of K members.

    It has the length of one member's examples and is read through loaders only: which example number 3 is depends on the
    member.

    Args:
        examples: of each member, equally many; may be the same.
        generators: one per member.
    """

    def __init__(self, examples: Sequence[Examples] | Sequence[Withheld], generators: Sequence[Generator]) -> None:
        super().__init__(examples[0].outline)
        self.generators, self.of_classes = generators, {own.classes for own in examples}
        self.together: Examples | Withheld = examples[0]
        self.offsets = [0] * len(examples)
        held = [own for own in examples if isinstance(own, Examples)]
        if any(own is not examples[0] for own in held):
            first_rows = itertools.accumulate((len(own.memory.labels) for own in held), initial=0)
            rows = torch.cat([own.rows + first for own, first in zip(held, first_rows, strict=False)])
            self.together = Examples(Memory.joined([own.memory for own in held]), rows, held[0].batches, self.outline)
            self.offsets = [k * len(self) for k in range(len(examples))]

    @property
    def classes(self) -> tuple[int, ...]:
        """Labels that occur among each member's examples.

        Raises:
            RunError: they differ between members.
        """
        if len(self.of_classes) > 1:
            raise RunError("the models' examples have different classes, which are asked for once")
        return super().classes

    def __getitem__(self, index: Any) -> NoReturn:
        raise RunError("the examples are read one by one instead of through a loader")

    def batch(self, indices: Sequence[Sequence[int]]) -> Batch:
        """The members' examples at their indices, member after member."""
        rows = [offset + index for offset, own in zip(self.offsets, indices, strict=True) for index in own]
        return Batch(self.together, rows)


class StackedLoader(DataLoader[Any]):
    """A loader on a `StackedExamples` data set: each batch is the members' batches, one after another."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # the base class promises an iterator of its own type
        return _iterate(self)


def stack_loaders(of_members: Sequence[Loaders], generators: Sequence[Generator]) -> Loaders:
    """The loaders of K members as three loaders.

    Args:
        of_members: the retain, forget and validation loaders of each, on `Examples`.
        generators: one per member.
    """
    retain, forget, validation = (
        StackedLoader(StackedExamples([own.dataset for own in loaders], generators), loaders[0].batch_size, shuffle=True)
        for loaders in zip(*of_members, strict=True)
    )
    return retain, forget, validation


def _iterate(loader: DataLoader[Any]) -> Iterator[Any]:
    """One epoch: for each member the loader's own sampler, drawing from the member's generator."""
    dataset: StackedExamples = loader.dataset  # type: ignore[assignment]
    samplers: list[Iterator[list[int]]] = []
    for generator in dataset.generators:
        with _drawing_from(generator):
            samplers.append(iter(loader.batch_sampler))  # type: ignore[arg-type]  # the batch size is not None
            draw_base_seed(loader)

    def orders() -> list[list[list[int]]]:
        indices = []
        for generator, sampler in zip(dataset.generators, samplers, strict=True):
            with _drawing_from(generator):
                indices.append(list(sampler))
        return indices

    def batches(drawn: list[list[list[int]]] | None) -> Iterator[Any]:
        # A loader draws its order when the first batch is asked for; one with worker processes draws at once.
        for indices in zip(*(drawn or orders()), strict=True):
            yield loader.collate_fn(dataset.batch(indices))  # type: ignore[arg-type]  # torch wants a list

    return batches(orders() if loader.num_workers else None)


_drawing_for_one_member = False


@contextmanager
def _drawing_from(generator: Generator) -> Iterator[None]:
    """While this lasts, torch's global generator is this one, and what is drawn is for one member only."""
    global _drawing_for_one_member
    kept = torch.get_rng_state()
    torch.set_rng_state(generator.get_state())
    _drawing_for_one_member = True
    try:
        yield
    finally:
        _drawing_for_one_member = False
        generator.set_state(torch.get_rng_state())
        torch.set_rng_state(kept)


@contextmanager
def drawing_by_member(generators: Sequence[Generator]) -> Iterator[None]:
    """While this lasts, whatever a solution draws at random is drawn for each member from the member's generator.

    The solution's own code says `DataLoader(retain_loader.dataset, ...)` and `torch.randn_like(weight)`, or
    `randn_like(weight)` if it has imported the name. Loaders on other data sets and draws from a generator of its own are left
    alone.

    Args:
        generators: one per member.
    """
    ordinary = DataLoader.__iter__

    def iterate(loader: DataLoader[Any]) -> Any:
        return _iterate(loader) if isinstance(loader.dataset, StackedExamples) else ordinary(loader)

    with mock.patch.object(DataLoader, "__iter__", iterate), _Draws(generators):
        yield


Draw = Callable[..., Tensor]


class _Draws(TorchFunctionMode):
    """Replaces torch's functions that draw random numbers, by whatever name they are called.

    This mode is off inside a call that it has seen. So functions that torch implements in Python by other draws, like those of
    `nn.init`, are replaced as well.

    Args:
        generators: one per member.
    """

    def __init__(self, generators: Sequence[Generator]) -> None:
        super().__init__()
        draws: dict[Callable[[Draw, Sequence[Generator]], Draw], list[Draw]] = {
            _factory: [torch.rand, torch.randn, torch.randint],
            _permutation: [torch.randperm],
            _like: [torch.rand_like, torch.randn_like, torch.randint_like],
            _by_rows: [torch.bernoulli, torch.multinomial],
            _in_place: [Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_, Tensor.exponential_],
            _initialisation: [init.normal_, init.uniform_, init.kaiming_uniform_],
            _in_parts: [F.gumbel_softmax],
        }
        self.replaced = {draw: replace(draw, generators) for replace, several in draws.items() for draw in several}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.replaced.get(func, func)(*args, **(kwargs or {}))


def _factory(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.randn(size)` and its like, also `torch.randn(3, 4)` and `torch.randint(low, high, size)`."""

    def by_member(*arguments: Any, size: Any = None, generator: Generator | None = None, **options: Any) -> Tensor:
        if size is None:
            several = all(isinstance(argument, int) for argument in arguments)
            arguments, size = ((), arguments) if several else (arguments[:-1], arguments[-1])
        if generator is not None or not size or not _is_by_member(size[0], generators):
            return draw(*arguments, size=size, generator=generator, **options)
        part = (size[0] // len(generators), *size[1:])
        return torch.cat([draw(*arguments, size=part, generator=own, **options) for own in generators])

    return by_member


def _permutation(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.randperm(n)`: each member's examples change places among themselves."""

    def by_member(n: int, *, generator: Generator | None = None, **options: Any) -> Tensor:
        if generator is not None or not _is_by_member(n, generators):
            return draw(n, generator=generator, **options)
        part = n // len(generators)
        return torch.cat([draw(part, generator=own, **options) + k * part for k, own in enumerate(generators)])

    return by_member


def _like(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.randn_like(tensor)`, drawn as `torch.randn(shape)`: in older versions of torch only that takes a generator."""
    factories: dict[Draw, Draw] = {
        torch.rand_like: torch.rand,
        torch.randn_like: torch.randn,
        torch.randint_like: torch.randint,
    }

    def by_member(input: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if options.get("generator") is not None or input.dim() == 0 or not _is_by_member(len(input), generators):
            return draw(input, *arguments, **options)
        # In the order of a single member's weights, whatever the memory format of the stacked ones.
        size = (len(input) // len(generators), *input.shape[1:])
        options = {"dtype": input.dtype, "device": input.device, **options}
        return torch.cat([factories[draw](*arguments, **{**options, "size": size, "generator": own}) for own in generators])

    return by_member


def _by_rows(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.bernoulli(probabilities)`."""

    def by_member(input: Tensor, *arguments: Any, generator: Generator | None = None, **options: Any) -> Tensor:
        if generator is not None or input.dim() == 0 or not _is_by_member(len(input), generators):
            return draw(input, *arguments, generator=generator, **options)
        parts = (part.contiguous() for part in input.chunk(len(generators)))
        return torch.cat([draw(p, *arguments, generator=own, **options) for p, own in zip(parts, generators, strict=True)])

    return by_member


def _in_place(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`tensor.normal_()`."""

    def by_member(tensor: Tensor, *arguments: Any, generator: Generator | None = None, **options: Any) -> Tensor:
        one = generator is not None or tensor.dim() == 0 or not _is_by_member(len(tensor), generators)
        if one or any(isinstance(value, Tensor) for value in (*arguments, *options.values())):
            return draw(tensor, *arguments, generator=generator, **options)
        for part, own in zip(tensor.chunk(len(generators)), generators, strict=True):
            part.copy_(draw(torch.empty(part.shape, dtype=part.dtype), *arguments, generator=own, **options))
        return tensor

    return by_member


def _initialisation(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`nn.init.normal_(weight)`, without a gradient."""
    return torch.no_grad()(_in_place(draw, generators))


def _in_parts(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`F.gumbel_softmax(logits)`, which takes no generator."""

    def by_member(input: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if input.dim() == 0 or not _is_by_member(len(input), generators):
            return draw(input, *arguments, **options)
        drawn = []
        for part, own in zip(input.chunk(len(generators)), generators, strict=True):
            with _drawing_from(own):
                drawn.append(draw(part, *arguments, **options))
        return torch.cat(drawn)

    return by_member


def _is_by_member(length: int, generators: Sequence[Generator]) -> bool:
    """Whether an axis of this length may be the members one after another."""
    return length % len(generators) == 0 and not _drawing_for_one_member
