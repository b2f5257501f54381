import numpy as np
import torch
from torch.nn import functional as F

from solutions.parts.class_weights import class_counts, weighted_cross_entropy
from trials import DATA, examples


def test_classes_are_counted_and_one_without_examples_has_a_finite_reciprocal(original):
    some = DATA.retain[~np.isin(DATA.labels[DATA.retain], (3, 8))]
    counts = class_counts(original, [examples(some[:100]), examples(some[100:])])
    expected = np.bincount(DATA.labels[some], minlength=10)
    assert expected[3] == expected[8] == 0
    assert counts.tolist() == [np.maximum(expected, 1).tolist()]


def test_every_example_has_the_weight_of_its_class(original):
    """As torch has it."""
    labels = torch.arange(50) % 10
    class_weights = torch.linspace(0.1, 3, 10)
    z = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    result = weighted_cross_entropy(z, labels, original, class_weights[None])
    torch.testing.assert_close(result, F.cross_entropy(z, labels, weight=class_weights))
