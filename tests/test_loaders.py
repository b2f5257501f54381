import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from starting_kit import tasks
from starting_kit.loaders import loaders

TASK = tasks.find("digits")
DATA = TASK.load()


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_loaders_yield_every_example_of_their_split_once(batches):
    for loader, ids in zip(loaders(TASK, DATA, batches), (DATA.retain, DATA.forget, DATA.validation), strict=True):
        assert isinstance(loader, DataLoader)
        assert loader.batch_size == TASK.loader_batch_size
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


def test_the_order_comes_from_the_global_generator():
    def labels(seed):
        torch.manual_seed(seed)
        return torch.cat([y for _, y in loaders(TASK, DATA, "tuple")[0]])

    assert torch.equal(labels(0), labels(0))
    assert not torch.equal(labels(0), labels(1))


def test_a_solution_may_build_loaders_of_its_own():
    retain = loaders(TASK, DATA, "dict")[0]
    assert len(next(iter(DataLoader(retain.dataset, batch_size=100, shuffle=True)))["image"]) == 100
