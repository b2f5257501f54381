"""The three loaders that a solution gets, with the batches of either of the competition's kits."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from starting_kit.contract import Batches
from starting_kit.tasks import Data, Task


class Examples(Dataset[Any]):
    """Examples in memory, split into items once, because indexing a tensor anew for every item takes longer."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def as_dicts(images: Tensor, labels: Tensor, ids: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Examples as the Kaggle kit's dicts.

    `image` and `age_group` (the label to predict) carry the data. A task without people has no ages and no persons: `age`
    repeats the label, and every image is its own person.
    """
    return [
        {"image": image, "image_id": f"{example}-0", "age_group": label, "age": label, "person_id": example}
        for image, label, example in zip(images, labels, ids.tolist(), strict=True)
    ]


def loader(task: Task, data: Data, ids: NDArray[np.int64], batches: Batches) -> DataLoader:
    """A shuffled loader on some examples; its order comes from torch's global generator, as in the kits.

    Args:
        task: gives the batch size.
        data: of the task.
        ids: of the examples.
        batches: "tuple" for `(images, labels)` (CIFAR kit), "dict" for dicts (Kaggle kit). Images are float32
            [batch, channels, height, width] in both, labels int64 [batch].
    """
    images, labels = torch.from_numpy(data.images[ids]), torch.from_numpy(data.labels[ids])
    items = as_dicts(images, labels, ids) if batches == "dict" else list(zip(images, labels, strict=True))
    return DataLoader(Examples(items), batch_size=task.loader_batch_size, shuffle=True)


def loaders(task: Task, data: Data, batches: Batches) -> tuple[DataLoader, DataLoader, DataLoader]:
    """The retain, forget and validation loaders of a task."""
    retain, forget, validation = (loader(task, data, ids, batches) for ids in (data.retain, data.forget, data.validation))
    return retain, forget, validation
