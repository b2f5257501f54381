"""What a solution that runs in lockstep sees of its K models: one model, whose batches are K times as large.

Each model has a random generator, seeded as the global one would be if the model were alone, and everything that the solution
draws for a model comes from there, in the same order: the batches of the loaders it is given and of loaders it builds on their
data sets, and random tensors whose first axis is the models one after another (noise on weights or images, new weights, random
labels). What is drawn otherwise is drawn once for all, so a solution in which that matters fails the proof
(`starting_kit.lockstep.proof`) and is called once per model.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest import mock

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader

from starting_kit.errors import RunError
from starting_kit.loaders import Batch, Examples, Memory, Outlined, Withheld, draw_base_seed


class SideBySide(Outlined):
    """The examples of K models.

    It has the length of one model's examples and is read through loaders only: which example number 3 is depends on the model.

    Args:
        examples: of each model, as many for each; may be the same.
        generators: one per model.
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
        """Labels that occur among each model's examples."""
        if len(self.of_classes) > 1:
            raise RunError("the models' examples have different classes, which are asked for once")
        return super().classes

    def __getitem__(self, index: Any) -> NoReturn:
        raise RunError("the examples are read one by one instead of through a loader")

    def batch(self, indices: Sequence[Sequence[int]]) -> Batch:
        """The K models' examples at their indices, model after model."""
        rows = [offset + index for offset, own in zip(self.offsets, indices, strict=True) for index in own]
        return Batch(self.together, rows)


class SideBySideLoader(DataLoader[Any]):
    """A loader on a `SideBySide` data set: in each batch the K models' batches one after another."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # the base class promises an iterator of its own type
        return _iterate(self)


def loaders_side_by_side(
    of_models: Sequence[tuple[DataLoader, DataLoader, DataLoader]], generators: Sequence[Generator]
) -> tuple[DataLoader, DataLoader, DataLoader]:
    """The loaders of K models as three loaders.

    Args:
        of_models: the retain, forget and validation loaders of each model, on `Examples`.
        generators: one per model.
    """
    retain, forget, validation = (
        SideBySideLoader(SideBySide([own.dataset for own in loaders], generators), loaders[0].batch_size, shuffle=True)
        for loaders in zip(*of_models, strict=True)
    )
    return retain, forget, validation


def _iterate(loader: DataLoader[Any]) -> Iterator[Any]:
    """One epoch: for each model the loader's own sampler, drawing from the model's generator."""
    dataset: SideBySide = loader.dataset  # type: ignore[assignment]
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


_drawing_for_one_model = False


@contextmanager
def _drawing_from(generator: Generator) -> Iterator[None]:
    """What draws from torch's global generator draws from this one instead, for one model only."""
    global _drawing_for_one_model
    kept = torch.get_rng_state()
    torch.set_rng_state(generator.get_state())
    _drawing_for_one_model = True
    try:
        yield
    finally:
        _drawing_for_one_model = False
        generator.set_state(torch.get_rng_state())
        torch.set_rng_state(kept)


@contextmanager
def models_side_by_side(generators: Sequence[Generator]) -> Iterator[None]:
    """While this lasts, what a solution draws at random is drawn for each model from the model's generator.

    A solution's code says `DataLoader(retain_loader.dataset, ...)` and `torch.randn_like(weight)`, so for that long torch's own
    functions are replaced. Loaders on other data sets, and draws with a generator of their own, are what they always are.
    """
    ordinary = DataLoader.__iter__

    def iterate(loader: DataLoader[Any]) -> Any:
        return _iterate(loader) if isinstance(loader.dataset, SideBySide) else ordinary(loader)

    with ExitStack() as replaced:
        replaced.enter_context(mock.patch.object(DataLoader, "__iter__", iterate))
        for wrap, place, names in (
            (_factory, torch, ("rand", "randn", "randint")),
            (_permutation, torch, ("randperm",)),
            (_like, torch, ("rand_like", "randn_like", "randint_like")),
            (_by_rows, torch, ("bernoulli", "multinomial")),
            (_in_place, Tensor, ("normal_", "uniform_", "random_", "bernoulli_", "exponential_")),
        ):
            for name in names:
                replaced.enter_context(mock.patch.object(place, name, wrap(getattr(place, name), generators)))
        yield


Draw = Callable[..., Tensor]


def _factory(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.randn(size)` and its like, also `torch.randn(3, 4)` and `torch.randint(low, high, size)`."""

    def by_model(*arguments: Any, size: Any = None, generator: Generator | None = None, **options: Any) -> Tensor:
        if size is None:
            several = all(isinstance(argument, int) for argument in arguments)
            arguments, size = ((), arguments) if several else (arguments[:-1], arguments[-1])
        if generator is not None or not size or not _is_for_all(size[0], generators):
            return draw(*arguments, size=size, generator=generator, **options)
        part = (size[0] // len(generators), *size[1:])
        return torch.cat([draw(*arguments, size=part, generator=own, **options) for own in generators])

    return by_model


def _permutation(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.randperm(n)`: the examples of each model change places among themselves."""

    def by_model(n: int, *, generator: Generator | None = None, **options: Any) -> Tensor:
        if generator is not None or not _is_for_all(n, generators):
            return draw(n, generator=generator, **options)
        part = n // len(generators)
        return torch.cat([draw(part, generator=own, **options) + k * part for k, own in enumerate(generators)])

    return by_model


def _like(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.randn_like(tensor)`."""

    def by_model(input: Tensor, *arguments: Any, generator: Generator | None = None, **options: Any) -> Tensor:
        if generator is not None or input.dim() == 0 or not _is_for_all(len(input), generators):
            return draw(input, *arguments, generator=generator, **options)
        # In the order of a single model's weights, whatever the memory format of several.
        parts = [torch.empty(part.shape, dtype=part.dtype, device=part.device) for part in input.chunk(len(generators))]
        drawn = (draw(part, *arguments, generator=own, **options) for part, own in zip(parts, generators, strict=True))
        return torch.cat(list(drawn))

    return by_model


def _by_rows(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`torch.bernoulli(probabilities)`."""

    def by_model(input: Tensor, *arguments: Any, generator: Generator | None = None, **options: Any) -> Tensor:
        if generator is not None or input.dim() == 0 or not _is_for_all(len(input), generators):
            return draw(input, *arguments, generator=generator, **options)
        parts = (part.contiguous() for part in input.chunk(len(generators)))
        return torch.cat([draw(p, *arguments, generator=own, **options) for p, own in zip(parts, generators, strict=True)])

    return by_model


def _in_place(draw: Draw, generators: Sequence[Generator]) -> Draw:
    """`tensor.normal_()`."""

    def by_model(tensor: Tensor, *arguments: Any, generator: Generator | None = None, **options: Any) -> Tensor:
        one = generator is not None or tensor.dim() == 0 or not _is_for_all(len(tensor), generators)
        if one or any(isinstance(value, Tensor) for value in (*arguments, *options.values())):
            return draw(tensor, *arguments, generator=generator, **options)
        for part, own in zip(tensor.chunk(len(generators)), generators, strict=True):
            part.copy_(draw(torch.empty(part.shape, dtype=part.dtype), *arguments, generator=own, **options))
        return tensor

    return by_model


def _is_for_all(length: int, generators: Sequence[Generator]) -> bool:
    """Whether an axis of this length may be the models one after another."""
    return length % len(generators) == 0 and not _drawing_for_one_model
