import copy

import torch

from solutions.parts import fisher
from solutions.parts.layers import head
from trials import DATA, examples


def test_diagonal_equals_a_loop_over_examples_and_classes(original, monkeypatch):
    net = copy.deepcopy(original).double().eval()
    images, labels = examples(DATA.retain[:5])
    expected = [torch.zeros_like(weight) for weight in net.parameters()]
    for image in images.double():
        log_p = net(image[None])[0].log_softmax(dim=0)
        for y in range(10):
            gradients = torch.autograd.grad(log_p[y], list(net.parameters()), retain_graph=True)
            for total, gradient in zip(expected, gradients, strict=True):
                total += log_p[y].exp().detach() * gradient**2 / 5
    uneven = [(images[:3].double(), labels[:3]), (images[3:].double(), labels[3:])]
    torch.testing.assert_close(fisher.fisher_diagonal(net, uneven), expected)
    monkeypatch.setattr(fisher, "MAX_NUMBERS", 2 * 3778)  # two examples at once
    torch.testing.assert_close(fisher.fisher_diagonal(net, uneven), expected)


def test_variances_follow_their_formula(original):
    """That of `get_mean_var` in `Forgetting.ipynb` of AdityaGolatkar/SelectiveForgetting."""
    information = [10.0 ** torch.empty_like(weight).uniform_(-9, 3) for weight in original.parameters()]
    variances = fisher.noise_variances(original, information, 1e-6, 1e3, 1e2, 10.0)
    kinds = set()
    for weight, diagonal, variance in zip(original.parameters(), information, variances, strict=True):
        in_head = weight is head(original).weight or weight is head(original).bias
        expected = 1e-6 * (1 / (diagonal + 1e-8)).clamp(max=1e2 if in_head else 1e3)
        if weight.dim() > 1:  # over inputs; the nine places of a kernel keep their own
            expected = sum(expected[:, i] for i in range(expected.shape[1]))[:, None] / expected.shape[1]
        expected = expected * (10 if in_head or weight.dim() == 1 else 1)
        torch.testing.assert_close(variance, expected)
        kinds.add((in_head, weight.dim()))
    assert kinds == {(False, 4), (False, 1), (True, 2), (True, 1)}
