"""The three loaders that a solution gets, with the batches of either of the competition's kits.

Images are floating-point numbers in a batch, the values that the source gives; in memory they may be bytes.

The examples lie in memory, and a batch is one indexing of them instead of a stack of items. A solution does not notice: batch
by batch, and draw by draw of the random generators, a `ResidentLoader` does what a `DataLoader` does; so does a `DataLoader`
that a solution builds on its `.dataset`, on a subset or a concatenation of it, or with a `collate_fn` of its own.

A data set says of itself which classes it has, the shape of an image, and what the network normalises with, besides its length
(`starting_kit.outlines`). Under --data-free that is all there is: no image or label is in it, and reading one raises.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from starting_kit.contract import BatchFormat
from starting_kit.errors import DataWithheldError
from starting_kit.outlines import Outline, Outlined
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import Task

Loaders = tuple[DataLoader[Any], DataLoader[Any], DataLoader[Any]]  # retain, forget, validation


class TupleItem(tuple[Any, ...]):
    """`(image, label)`, as in the CIFAR kit; a type of its own, by which collating recognises it."""


class DictItem(dict[str, Any]):
    """`image, image_id, age_group, age, person_id`, as in the Kaggle kit; a type of its own, likewise."""


@dataclass(frozen=True)
class Memory:
    """A data set in memory.

    Attributes:
        images: [examples, channels, height, width], bytes or floating-point numbers.
        labels: [examples], int64.
        people, pictures: [examples], int64, whom an image shows and which of their images it is.
        ages: [examples], int64; the label where no age is known.
    """

    images: Tensor
    labels: Tensor
    people: Tensor
    pictures: Tensor
    ages: Tensor

    @classmethod
    def of(cls, data: Data) -> "Memory":
        """The data of a task, not copied."""
        of_data = (data.images, data.labels, data.people, data.pictures, data.labels if data.ages is None else data.ages)
        return cls(*map(torch.from_numpy, of_data))

    @classmethod
    def joined(cls, parts: Sequence["Memory"]) -> "Memory":
        """Several data sets, one after another."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class Examples(Outlined):
    """Some examples of a data set in memory.

    Args:
        memory: the whole data set.
        rows: [some], int64, which of its examples.
        batches: "tuple" or "dict", what an item is.
        outline: of these examples.
    """

    def __init__(self, memory: Memory, rows: Tensor, batches: BatchFormat, outline: Outline) -> None:
        super().__init__(outline)
        self.memory, self.rows, self.batches = memory, rows, batches

    @property
    def targets(self) -> tuple[int, ...]:
        """The examples' labels, in their order."""
        return tuple(self.memory.labels[self.rows].tolist())

    def __getitem__(self, index: int) -> Any:
        memory, row = self.memory, self.rows[index]
        # Copies: what a solution does to an item stays with it.
        image, label, age = as_numbers(memory.images[row]).clone(), memory.labels[row].clone(), memory.ages[row].clone()
        if self.batches == "tuple":
            return TupleItem((image, label))
        person = int(memory.people[row])
        name = f"{person}-{int(memory.pictures[row])}"
        return DictItem(image=image, image_id=name, age_group=label, age=age, person_id=person)

    def __getitems__(self, indices: Sequence[int]) -> "Batch":
        return Batch(self, indices)

    def batch(self, indices: Sequence[int]) -> Any:
        """What `default_collate` makes of the items."""
        memory, rows = self.memory, self.rows[torch.as_tensor(indices)]
        images, labels = as_numbers(memory.images[rows]), memory.labels[rows]
        if self.batches == "tuple":
            return [images, labels]
        people, pictures = memory.people[rows], memory.pictures[rows]
        names = [f"{person}-{picture}" for person, picture in zip(people.tolist(), pictures.tolist(), strict=True)]
        return {"image": images, "image_id": names, "age_group": labels, "age": memory.ages[rows], "person_id": people}


class Withheld(Outlined):
    """The outline of some examples, without the examples.

    Args:
        outline: of the examples.
        split: which these are, for people.
    """

    def __init__(self, outline: Outline, split: str) -> None:
        super().__init__(outline)
        self.split = split

    def __getitem__(self, index: Any) -> NoReturn:
        raise DataWithheldError(f"reads {self.split} images or labels, which --data-free withholds")

    def batch(self, indices: Sequence[int]) -> Any:
        """Refuse to read a batch.

        Raises:
            DataWithheldError: always.
        """
        return self[0]

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("memory", "rows"):  # where `Examples` have the data
            self[0]
        super().__getattr__(name)


def as_numbers(images: Tensor) -> Tensor:
    """Bytes as float32, floating-point numbers as they are."""
    return images if images.is_floating_point() else images.float()


class Batch(Sequence[Any]):
    """The items at some indices, made when they are asked for: a `collate_fn` of a solution's own sees ordinary items."""

    def __init__(self, examples: "Examples | Withheld", indices: Sequence[int]) -> None:
        self.examples, self.indices = examples, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        return self.examples[self.indices[index]]

    def collated(self) -> Any:
        """The batch at once, without its items."""
        return self.examples.batch(self.indices)


def _collate(batch: Any, *, collate_fn_map: Any = None) -> Any:
    if isinstance(batch, Batch):
        return batch.collated()
    # Items of different data sets, as ConcatDataset gives them: collated like the plain tuples and dicts that they are.
    return collate([dict(item) if isinstance(item, dict) else tuple(item) for item in batch], collate_fn_map=collate_fn_map)


# The documented way of teaching `default_collate` a type.
default_collate_fn_map.update({TupleItem: _collate, DictItem: _collate})


class ResidentLoader(DataLoader[Any]):
    """A `DataLoader` on `Examples`, with less work per batch.

    Attributes:
        device: where its batches lie; what is taken from its data set lies on the CPU, as in the kits.
    """

    device = "cpu"

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # the base class promises an iterator of its own type
        indices = iter(self.batch_sampler)  # type: ignore[arg-type]  # it has one: the batch size is not None
        draw_base_seed(self)
        batches = (self.collate_fn(Batch(self.dataset, batch)) for batch in indices)  # type: ignore[arg-type]
        return batches if self.device == "cpu" else (moved(batch, self.device) for batch in batches)


def moved(batch: Any, device: str) -> Any:
    """A batch of either kit, its tensors on a device."""
    if isinstance(batch, dict):
        return {name: values.to(device) if isinstance(values, Tensor) else values for name, values in batch.items()}
    return [values.to(device) for values in batch]


def draw_base_seed(loader: DataLoader[Any]) -> None:
    """Draw the number that a `DataLoader` draws for its workers when an iteration begins, even if it has none."""
    torch.empty((), dtype=torch.int64).random_(generator=loader.generator)


def outline(task: Task, data: Data, ids: Ids) -> Outline:
    """The outline of some examples of a task."""
    classes = tuple(np.unique(data.labels[ids]).tolist())
    return Outline(len(ids), classes, data.images.shape[1:], task.pixel_mean, task.pixel_std, task.pixel_range)


def loaders(task: Task, data: Data, batches: BatchFormat, device: str = "cpu", data_free: bool = False) -> Loaders:
    """The retain, forget and validation loaders of a task, shuffled by torch's global generator, as in the kits.

    Args:
        task: gives the batch size.
        data: of the task.
        batches: "tuple" for `(images, labels)` (CIFAR kit), "dict" for dicts (Kaggle kit). Images are floating-point numbers
            [batch, channels, height, width] in both, labels int64 [batch].
        device: where the batches lie.
        data_free: give loaders that know the outlines of their examples, and raise `DataWithheldError` where one is read.
    """
    memory = None if data_free else Memory.of(data)

    def loader(split: str) -> DataLoader[Any]:
        ids = getattr(data, split)
        known = outline(task, data, ids)
        if memory is None:
            return DataLoader(Withheld(known, split), task.loader_batch_size, shuffle=True)
        examples = Examples(memory, torch.from_numpy(ids), batches, known)
        resident = ResidentLoader(examples, task.loader_batch_size, shuffle=True)
        resident.device = device
        return resident

    return loader("retain"), loader("forget"), loader("validation")
