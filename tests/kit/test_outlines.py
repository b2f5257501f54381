"""What code for other data sets may ask of a loader's, and what it is told."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from starting_kit import tasks
from starting_kit.errors import DataWithheldError, RunError
from starting_kit.loaders import loaders
from starting_kit.lockstep.random_streams import stack_loaders

TASK = tasks.find("digits")
DATA = TASK.load()
KINDS = pytest.mark.parametrize("batches", ["tuple", "dict"])


def dataset_of(loader: DataLoader[Any]) -> Any:
    return loader.dataset


@KINDS
def test_labels_of_a_split_are_its_targets(batches):
    for loader, ids in zip(loaders(TASK, DATA, batches), (DATA.retain, DATA.forget, DATA.validation), strict=True):
        assert dataset_of(loader).targets == tuple(DATA.labels[ids].tolist())
    for loader in loaders(TASK, DATA, batches, data_free=True):
        with pytest.raises(DataWithheldError, match="which --data-free withholds"):
            dataset_of(loader).targets  # noqa: B018


def test_labels_are_not_read_one_by_one_in_lockstep():
    generators = [torch.Generator(), torch.Generator()]
    for stacked in stack_loaders([loaders(TASK, DATA, "tuple")] * 2, generators):
        with pytest.raises(RunError, match="one by one instead of through a loader"):
            dataset_of(stacked).targets  # noqa: B018


@pytest.mark.parametrize("data_free", [False, True])
@pytest.mark.parametrize("name", ["indices", "samples", "imgs", "data", "labels", "dataset", "transform", "target_transform"])
def test_what_these_data_sets_do_not_have_is_said_and_cannot_be_set(name, data_free):
    dataset = dataset_of(loaders(TASK, DATA, "tuple", data_free=data_free)[0])
    assert not hasattr(dataset, name)
    assert getattr(dataset, name, "nothing") == "nothing"
    with pytest.raises(AttributeError, match=f"the data set of a loader has no '{name}': "):
        getattr(dataset, name)
    with pytest.raises(AttributeError, match=f"setting '{name}' of a loader's data set would change nothing"):
        setattr(dataset, name, [])
    with pytest.raises(AttributeError, match="would change nothing"):
        dataset.targets = []
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        dataset.other  # noqa: B018
    dataset.note = 3
    assert copy.deepcopy(dataset).note == pickle.loads(pickle.dumps(dataset)).note == 3
