import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader

from solutions.parts.batches import Relabelled, endless, in_order, unpack
from trials import DATA, examples, given, small_net


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_relabelled_examples_are_those_of_the_data_set_with_the_new_labels(batches):
    forget = given(batches)[1]
    labels = torch.arange(len(DATA.forget)) % 10
    images, relabelled = unpack(next(iter(DataLoader(Relabelled(forget.dataset, labels), 90))), net := small_net())
    assert torch.equal(images, examples(DATA.forget)[0])
    assert torch.equal(relabelled, labels)
    mixed = ConcatDataset([Relabelled(forget.dataset, labels), given(batches)[0].dataset])
    images, _ = unpack(next(iter(DataLoader(mixed, 100))), net)
    assert torch.equal(images[90:], examples(DATA.retain[:10])[0])


def test_relabelled_examples_mix_with_examples_whose_labels_are_numbers():
    """As the data sets of torchvision have them."""
    ordinary = [(torch.full((1, 8, 8), float(i)), i) for i in range(4)]
    mixed = ConcatDataset([Relabelled(ordinary, torch.tensor([9, 8, 7, 6])), ordinary])
    _, labels = next(iter(DataLoader(mixed, 8)))
    assert labels.tolist() == [9, 8, 7, 6, 0, 1, 2, 3]


def test_in_order_and_endless_give_the_examples_in_order_and_again_and_again():
    forget = given()[1]
    images = torch.cat([images for images, _ in in_order(forget)])
    assert torch.equal(images, examples(DATA.forget)[0])
    batches = endless(forget)
    assert sum(len(next(batches)[0]) for _ in range(3 * len(forget))) == 3 * len(DATA.forget)
