import torch

from trials import unlearn


def test_original_changes_nothing(original):
    """Weights, statistics of batch-norm layers, and which weights train."""
    after = unlearn("original", original)
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in original.state_dict().items())
    assert [w.requires_grad for w in after.parameters()] == [w.requires_grad for w in original.parameters()]
