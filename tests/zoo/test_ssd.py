import copy
import dataclasses

import torch
from torch.nn import functional as F

from solutions import ssd
from solutions.parts.layers import head
from starting_kit import contract
from trials import DATA, TASK, examples, given, unlearn

# Batches of one example: then importances do not depend on the order of the loaders, and a loop gives them.
ONE_BY_ONE = {
    "task": dataclasses.replace(TASK, loader_batch_size=1),
    "data": dataclasses.replace(DATA, retain=DATA.retain[:24], forget=DATA.forget[:8]),
}
FORGET, ALL = DATA.forget[:8], [*DATA.retain[:24], *DATA.forget[:8]]


def cross_entropies(net, images, labels):
    return F.cross_entropy(net(images), labels)


def naive_importances(net, ids, loss=cross_entropies, power=2):
    """Mean over single examples of powers of the absolute gradient, for each weight by name."""
    net = copy.deepcopy(net).eval()
    totals = {name: torch.zeros_like(weight) for name, weight in net.named_parameters()}
    for image, label in zip(*examples(ids), strict=True):
        net.zero_grad()
        loss(net, image[None], label[None]).backward()
        for name, weight in net.named_parameters():
            totals[name] += weight.grad.abs() ** power / len(ids)
    return totals


def test_published_values_are_the_defaults():
    values = contract.describe(contract.find("ssd"), []).hyperparameters
    assert values == {"selection_weight": 10.0, "dampening_constant": 1.0}


def test_importance_is_the_mean_over_batches_of_the_squared_gradient_of_a_batch(original):
    net = copy.deepcopy(original).eval()
    batches = [examples(DATA.retain[:6]), examples(DATA.retain[6:9])]
    gradients = [torch.autograd.grad(cross_entropies(net, *batch), list(net.parameters())) for batch in batches]
    expected = [(first**2 + second**2) / 2 for first, second in zip(*gradients, strict=True)]
    torch.testing.assert_close(ssd.importances(net, batches), expected)


def test_step_1_measures_importance_on_the_forget_set_and_on_all_data(original):
    """With every weight selected that matters at all to the forget set, the factors tell both importances."""
    unlearned = unlearn("ssd", original, selection_weight=0, **ONE_BY_ONE)
    to_forget, to_all = naive_importances(original, FORGET), naive_importances(original, ALL)
    for name, weight in original.named_parameters():
        ratio = (to_all[name] / to_forget[name]).nan_to_num(1.0)
        torch.testing.assert_close(unlearned.get_parameter(name), weight * ratio.clamp(max=1), rtol=1e-3, atol=1e-6)


def test_step_2_selects_what_matters_many_times_more_to_the_forget_set(original):
    unlearned = unlearn("ssd", original, selection_weight=3, **ONE_BY_ONE)
    to_forget, to_all = naive_importances(original, FORGET), naive_importances(original, ALL)
    selected = 0
    for name, weight in original.named_parameters():
        clearly = (to_forget[name] / to_all[name] - 3).abs() > 1e-3  # rounding decides the others
        expected = to_forget[name] > 3 * to_all[name]
        assert torch.equal((unlearned.get_parameter(name) != weight)[clearly], expected[clearly])
        selected += expected.sum()
    assert 100 < selected < 3000


def test_step_3_dampens_the_selected_by_the_ratio_of_importances(original):
    halved = unlearn("ssd", original, selection_weight=3, dampening_constant=0.5, **ONE_BY_ONE)
    to_forget, to_all = naive_importances(original, FORGET), naive_importances(original, ALL)
    dampened = 0
    for name, weight in original.named_parameters():
        after = halved.get_parameter(name)
        selected = after != weight
        expected = 0.5 * weight * to_all[name] / to_forget[name]
        torch.testing.assert_close(after[selected], expected[selected], rtol=1e-3, atol=1e-6)
        dampened += selected.sum()
    assert dampened > 100


def test_step_3_lets_no_weight_grow(original):
    unlearned = unlearn("ssd", original, selection_weight=3, dampening_constant=3.5, **ONE_BY_ONE)
    pairs = zip(unlearned.parameters(), original.parameters(), strict=True)
    factors = torch.cat([(after / before)[before != 0] for after, before in pairs])
    assert factors.max() == 1
    assert 0 < (factors < 1).sum() < 3000


def test_weights_that_matter_to_nothing_stay(original):
    net = copy.deepcopy(original)
    torch.nn.init.zeros_(head(net).weight)  # then nothing before it has a gradient
    unlearned = unlearn("ssd", net, selection_weight=0, **ONE_BY_ONE)
    for name, weight in net.named_parameters():
        assert unlearned.get_parameter(name).isfinite().all()
        if not name.startswith("13."):
            assert torch.equal(unlearned.get_parameter(name), weight)


def test_batches_of_all_data_mix_both_sets_anew_each_time():
    both = ssd.all_training_data(*given()[:2])
    forget = {image.numpy().tobytes() for image in examples(DATA.forget)[0]}
    first, second = (next(iter(both))[0] for _ in range(2))
    assert 0 < sum(image.numpy().tobytes() in forget for image in first) < len(first)
    assert not torch.equal(first, second)
