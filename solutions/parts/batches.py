"""Batches of either kit, and loaders on the same examples."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Batch = tuple[Tensor, Tensor]  # images [batch, channels, height, width] and labels [batch]


def unpack(batch: Any, net: nn.Module) -> Batch:
    """Images and labels of a batch of either kit, on the network's device.

    Args:
        batch: `(images, labels)` or the Kaggle kit's dict with `image` and `age_group`.
        net: the network that is to see them.

    Returns:
        images [batch, channels, height, width] and labels [batch].
    """
    images, labels = (batch["image"], batch["age_group"]) if isinstance(batch, dict) else batch
    device = next(net.parameters()).device
    return images.to(device), labels.to(device)


def batches(loader: Iterable[Any], net: nn.Module) -> Iterator[Batch]:
    """Images and labels of every batch, on the network's device."""
    return (unpack(batch, net) for batch in loader)


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    """The loader's batches, epoch after epoch, shuffled anew each time."""
    while True:
        yield from loader


def rebatch(loader: DataLoader[Any], batch_size: int) -> DataLoader[Any]:
    """A shuffled loader on the same examples with another batch size."""
    return DataLoader(loader.dataset, batch_size=batch_size, shuffle=True)


def in_order(loader: DataLoader[Any], batch_size: int | None = None) -> DataLoader[Any]:
    """A loader on the same examples in the order of the data set, example 0 first; in batches of the same size or another."""
    return DataLoader(loader.dataset, batch_size=batch_size or loader.batch_size)


def draw_examples(net: nn.Module, loader: DataLoader[Any], number: int) -> Iterator[Batch]:
    """Batches of that many examples, drawn at random without replacement; of all examples where there are fewer."""
    for images, labels in batches(rebatch(loader, loader.batch_size or 1), net):
        yield images[:number], labels[:number]
        number -= len(images)
        if number <= 0:
            return


def number_of_examples(loader: DataLoader[Any]) -> int:
    """The number of examples in a loader's data set."""
    return len(loader.dataset)  # type: ignore[arg-type]  # a data set that is shuffled has a length


class Relabelled(Dataset[Any]):
    """The examples of a data set with other labels.

    Args:
        dataset: of either kit.
        labels: [examples], in the order of the data set.
    """

    def __init__(self, dataset: Dataset[Any], labels: Tensor) -> None:
        self.dataset, self.labels = dataset, labels.cpu()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        example = self.dataset[index]
        label: Any = self.labels[index]
        own = example["age_group"] if isinstance(example, dict) else example[1]
        if not isinstance(own, Tensor):  # a batch with other examples of the data set cannot mix numbers and tensors
            label = label.item()
        return {**example, "age_group": label} if isinstance(example, dict) else (example[0], label)
