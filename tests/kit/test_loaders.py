import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, StackDataset, Subset, random_split

from starting_kit import tasks
from starting_kit.loaders import Examples, loaders

TASK = tasks.find("digits")
DATA = TASK.load()
KINDS = pytest.mark.parametrize("batches", ["tuple", "dict"])


class Plain(Dataset):
    """The same items as plain tuples and dicts, one by one: what torch collates without our help."""

    def __init__(self, examples):
        self.examples = examples

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        item = self.examples[index]
        return dict(item) if isinstance(item, dict) else tuple(item)


def assert_same(ours, torchs):
    """Bit for bit, and of the same types."""
    assert type(ours) is type(torchs)
    if isinstance(ours, torch.Tensor):
        assert ours.dtype == torchs.dtype
        assert torch.equal(ours, torchs)
    elif isinstance(ours, dict):
        assert list(ours) == list(torchs)
        assert_same(list(ours.values()), list(torchs.values()))
    elif isinstance(ours, list | tuple):
        for a, b in zip(ours, torchs, strict=True):
            assert_same(a, b)
    else:
        assert ours == torchs


def use(loader):
    """Iterate as solutions do; what was drawn, and the random state that is left."""
    torch.manual_seed(3)
    seen = [batch for _ in range(2) for batch in loader]
    seen += [batch for pair in zip(loader, loader, strict=True) for batch in pair]  # two iterations in turns
    seen.append(next(iter(loader)))
    return seen, torch.rand(2)


@KINDS
def test_batches_and_draws_are_those_of_an_ordinary_loader(batches):
    retain = loaders(TASK, DATA, batches)[0]
    ordinary = DataLoader(Plain(retain.dataset), batch_size=retain.batch_size, shuffle=True)
    assert_same(use(retain), use(ordinary))


LOADERS_OF_SOLUTIONS = {
    "another batch size": lambda data: DataLoader(data, batch_size=100, shuffle=True, drop_last=True),
    "in order": lambda data: DataLoader(data, batch_size=64),
    "a generator": lambda data: DataLoader(data, 64, shuffle=True, generator=torch.Generator().manual_seed(1)),
    "a subset": lambda data: DataLoader(Subset(data, range(100)), batch_size=30, shuffle=True),
    "a random split": lambda data: DataLoader(random_split(data, [0.5, 0.5], torch.Generator().manual_seed(0))[0], 30),
    "a concatenation": lambda data: DataLoader(ConcatDataset([data, Subset(data, range(50))]), 90, shuffle=True),
    "a stack": lambda data: DataLoader(StackDataset(data, data), batch_size=32),
    "a collate_fn": lambda data: DataLoader(data, batch_size=50, collate_fn=lambda items: [len(items), *items]),
    "workers": lambda data: DataLoader(data, batch_size=200, shuffle=True, num_workers=1),
}


@KINDS
@pytest.mark.parametrize("build", LOADERS_OF_SOLUTIONS.values(), ids=LOADERS_OF_SOLUTIONS)
def test_loaders_that_a_solution_builds_are_ordinary_ones(batches, build):
    examples = loaders(TASK, DATA, batches)[0].dataset

    def plain(seen):  # a collate_fn of a solution's own gets items of our types, which are tuples and dicts
        return [[dict(i) if isinstance(i, dict) else tuple(i) if isinstance(i, tuple) else i for i in b] for b in seen]

    (ours, state), (torchs, expected) = use(build(examples)), use(build(Plain(examples)))
    if build is LOADERS_OF_SOLUTIONS["a collate_fn"]:
        ours = plain(ours)
    assert_same(ours, torchs)
    assert torch.equal(state, expected)


@KINDS
def test_loaders_yield_every_example_of_their_split_once(batches):
    for loader, ids in zip(loaders(TASK, DATA, batches), (DATA.retain, DATA.forget, DATA.validation), strict=True):
        assert isinstance(loader, DataLoader)
        assert loader.batch_size == TASK.loader_batch_size
        assert isinstance(loader.dataset, Examples)
        assert len(loader.dataset) == len(ids)
        pairs = [(b["image"], b["age_group"]) if batches == "dict" else b for b in loader]
        assert len(pairs) == len(loader)
        images, labels = (torch.cat(part).numpy() for part in zip(*pairs, strict=True))
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        seen = sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))
        expected = sorted((DATA.images[i].tobytes(), DATA.labels[i]) for i in ids)
        assert seen == expected


def test_dicts_have_the_keys_of_the_kaggle_kit():
    batch = next(iter(loaders(TASK, DATA, "dict")[0]))
    assert set(batch) == {"image", "image_id", "age_group", "age", "person_id"}
    example = int(batch["person_id"][0])
    assert example in DATA.retain
    assert batch["image_id"][0] == f"{example}-0"
    np.testing.assert_array_equal(batch["image"][0], DATA.images[example])
    assert batch["age_group"][0] == batch["age"][0] == DATA.labels[example]


def test_a_solution_that_changes_a_batch_changes_no_data():
    retain = loaders(TASK, DATA, "tuple")[0]
    assert isinstance(retain.dataset, Examples)
    before = retain.dataset.memory.images.clone()
    for images, labels in retain:
        images.zero_()
        labels.zero_()
    assert torch.equal(retain.dataset.memory.images, before)
    assert retain.dataset.memory.labels.any()


@KINDS
def test_batches_of_a_loader_lie_on_its_device(batches):
    for loader in loaders(TASK, DATA, batches, "meta"):
        batch = next(iter(loader))
        tensors = [batch["image"], batch["age_group"], batch["person_id"]] if batches == "dict" else batch
        assert {tensor.device.type for tensor in tensors} == {"meta"}
        assert (
            next(iter(DataLoader(loader.dataset)))["image" if batches == "dict" else 0].device.type == "cpu"
        )  # as in the kits
