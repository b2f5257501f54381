"""The three loaders that a solution gets, with the batches of either of the competition's kits.

The examples lie in memory, and a batch is one indexing of them instead of a stack of items. A solution does not notice: batch
by batch, and draw by draw of the random generators, a `ResidentLoader` does what a `DataLoader` does; so does a `DataLoader`
that a solution builds on its `.dataset`, on a subset or a concatenation of it, or with a `collate_fn` of its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from starting_kit.contract import Batches
from starting_kit.tasks import Data, Task


class TupleItem(tuple[Any, ...]):
    """`(image, label)`, as in the CIFAR kit; a type of its own, by which collating recognises it."""


class DictItem(dict[str, Any]):
    """`image, image_id, age_group, age, person_id`, as in the Kaggle kit; a type of its own, likewise."""


class Examples(Dataset[Any]):
    """Examples in memory.

    Args:
        images: [examples, channels, height, width].
        labels: [examples], int64.
        ids: [examples], of the task's source; an image's `person_id` and, with "-0", its `image_id`.
        batches: "tuple" or "dict", what an item is.
    """

    def __init__(self, images: Tensor, labels: Tensor, ids: Tensor, batches: Batches) -> None:
        self.images, self.labels, self.ids, self.batches = images, labels, ids, batches

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        image, label = self.images[index], self.labels[index]
        if self.batches == "tuple":
            return TupleItem((image, label))
        example = int(self.ids[index])
        # A task without people has no ages and no persons: `age` repeats the label, and every image is its own person.
        return DictItem(image=image, image_id=f"{example}-0", age_group=label, age=label, person_id=example)

    def __getitems__(self, indices: Sequence[int]) -> "Batch":
        return Batch(self, indices)

    def batch(self, indices: Sequence[int]) -> Any:
        """What `default_collate` makes of the items."""
        rows = torch.as_tensor(indices)
        images, labels = self.images[rows], self.labels[rows]
        if self.batches == "tuple":
            return [images, labels]
        ids = self.ids[rows]
        names = [f"{example}-0" for example in ids.tolist()]
        return {"image": images, "image_id": names, "age_group": labels, "age": labels.clone(), "person_id": ids}


class Batch(Sequence[Any]):
    """The items at some indices, made when they are asked for: a `collate_fn` of a solution's own sees ordinary items."""

    def __init__(self, examples: Examples, indices: Sequence[int]) -> None:
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
    """A `DataLoader` on `Examples`, with less work per batch."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # the base class promises an iterator of its own type
        indices = iter(self.batch_sampler)  # type: ignore[arg-type]  # it has one: the batch size is not None
        draw_base_seed(self)
        return (self.collate_fn(Batch(self.dataset, batch)) for batch in indices)  # type: ignore[arg-type]


def draw_base_seed(loader: DataLoader[Any]) -> None:
    """Draw the number that a `DataLoader` draws for its workers when an iteration begins, even if it has none."""
    torch.empty((), dtype=torch.int64).random_(generator=loader.generator)


def loader(task: Task, data: Data, ids: NDArray[np.int64], batches: Batches) -> DataLoader:
    """A shuffled loader on some examples; its order comes from torch's global generator, as in the kits.

    Args:
        task: gives the batch size.
        data: of the task.
        ids: of the examples.
        batches: "tuple" for `(images, labels)` (CIFAR kit), "dict" for dicts (Kaggle kit). Images have the data's type, float32
            [batch, channels, height, width] in both, labels int64 [batch].
    """
    images, labels = torch.from_numpy(data.images[ids]), torch.from_numpy(data.labels[ids])
    examples = Examples(images, labels, torch.from_numpy(ids), batches)
    return ResidentLoader(examples, batch_size=task.loader_batch_size, shuffle=True)


def loaders(task: Task, data: Data, batches: Batches) -> tuple[DataLoader, DataLoader, DataLoader]:
    """The retain, forget and validation loaders of a task."""
    retain, forget, validation = (loader(task, data, ids, batches) for ids in (data.retain, data.forget, data.validation))
    return retain, forget, validation
