import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions import munba
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, loss, small_net, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))
ALONE = nn.Identity()


def vectors(seed):
    """Two gradients of 12 elements, as two tensors each, and as vectors."""
    generator = torch.Generator().manual_seed(seed)
    both = [[torch.randn(size, generator=generator, dtype=torch.float64) for size in ((2, 4), (4,))] for _ in range(2)]
    return both, [torch.cat([part.flatten() for part in gradient]) for gradient in both]


def gradient(net, images, labels):
    """Of the cross-entropy, as a vector; with random labels where none are given."""
    logits = net(images)
    labels = torch.randint(10, (len(images),)) if labels is None else labels
    parts = torch.autograd.grad(F.cross_entropy(logits, labels), list(net.parameters()))
    return torch.cat([part.flatten() for part in parts])


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("munba"), []).hyperparameters == {
        "epochs": 10,
        "learning_rate": 0.01,
        "clip_norm": 1.0,
        "weight_decay": 5e-4,
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bargaining_solves_nashs_equation_and_is_the_published_formula(seed):
    (of_retain, of_forget), (r, f) = vectors(seed)
    alphas = torch.cat(munba.nash(of_retain, of_forget, ALONE))
    both = torch.stack([r, f])
    torch.testing.assert_close(both @ both.T @ alphas, 1 / alphas)  # GᵀG α = 1/α
    g1, g2, g3 = r @ r, r @ f, f @ f
    alpha = ((g1 * g3 - g2 * (g1 * g3).sqrt()) / (g1 * g1 * g3 - g1 * g2 * g2)).sqrt()
    torch.testing.assert_close(alphas, torch.stack([alpha, (1 - g1 * alpha * alpha) / (g2 * alpha)]))


def test_without_agreement_forgetting_counts_for_a_tenth():
    (gradient, _), _ = vectors(0)
    for other in ([-2 * part for part in gradient], [0 * part for part in gradient]):
        own, others = munba.nash(gradient, other, ALONE)
        assert (own.item(), others.item()) == pytest.approx((1, 0.1))


def test_each_of_several_models_bargains_for_itself():
    several = nn.Identity()
    several.members = 2
    retain, forget = (
        [torch.cat(parts) for parts in zip(*pair, strict=True)] for pair in zip(vectors(0)[0], vectors(1)[0], strict=True)
    )
    together = munba.nash(retain, forget, several)
    for model, seed in enumerate((0, 1)):
        retain, forget = vectors(seed)[0]
        alone = munba.nash(retain, forget, ALONE)
        torch.testing.assert_close([alpha[model] for alpha in together], [alpha[0] for alpha in alone])


def test_a_bargained_step_is_the_bisector_of_length_one():
    net = small_net().train()
    retain, forget = ((examples(ids)[0].double(), examples(ids)[1]) for ids in (DATA.retain[:30], DATA.forget[:20]))
    torch.manual_seed(0)
    step = torch.cat([part.flatten() for part in munba.bargained(net, retain, forget, 1.0)])
    torch.manual_seed(0)
    r, f = gradient(net, *retain), gradient(net, forget[0], None)
    assert step.norm().item() == pytest.approx(1)
    torch.testing.assert_close(step, F.normalize(F.normalize(r, dim=0) + F.normalize(f, dim=0), dim=0))


def test_a_run_equals_a_plain_loop(original):
    """Forget batches bargain, the other retain batches follow alone, unclipped; the rate is constant."""
    net = copy.deepcopy(original).double()
    naive = copy.deepcopy(net).train()
    retain, forget, _ = loaders(TASK, PRECISE, "tuple")
    torch.manual_seed(0)
    munba.unlearning(net, retain, forget, None, epochs=2, learning_rate=0.02)
    torch.manual_seed(0)
    optimiser = torch.optim.SGD(naive.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    lengths = []
    for _ in range(2):
        others = iter(forget)
        for images, labels in retain:
            step = gradient(naive, images, labels)
            if (other := next(others, None)) is not None:
                against = gradient(naive, other[0], None)
                step = F.normalize(F.normalize(step, dim=0) + F.normalize(against, dim=0), dim=0)
            lengths.append(step.norm().item())
            for weight, part in zip(naive.parameters(), step.split([w.numel() for w in naive.parameters()]), strict=True):
                weight.grad = part.view_as(weight)
            optimiser.step()
    assert [length == pytest.approx(1) for length in lengths] == [True, True, False, False, False, False] * 2
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_forgets_and_keeps_the_retain_set(original):
    """The loss of the forget set rises as far as that of images never seen is from that of the retain set, or nearly."""
    unlearned = unlearn("munba", original, learning_rate=0.05)
    forget, retain, unseen = (loss(unlearned, ids) for ids in (DATA.forget, DATA.retain, DATA.validation))
    assert forget > (retain + unseen) / 2
    assert accuracy(unlearned, DATA.retain) > 0.98
