import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import ConcatDataset, DataLoader
from torchvision.models import densenet121, mobilenet_v3_small, resnet18, resnet50, vit_b_16

from solutions.parts import toolbox
from starting_kit.lockstep.stacking import stack
from starting_kit.networks import NETWORKS
from trials import DATA, TASK, examples, given, weights


def small_net():
    torch.manual_seed(0)
    return NETWORKS["cnn-8-16-16"](TASK).double().eval()


# --- batches


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_relabelled_examples_are_those_of_the_data_set_with_the_new_labels(batches):
    forget = given(batches)[1]
    labels = torch.arange(len(DATA.forget)) % 10
    images, relabelled = toolbox.unpack(
        next(iter(DataLoader(toolbox.Relabelled(forget.dataset, labels), 90))), net := small_net()
    )
    assert torch.equal(images, examples(DATA.forget)[0])
    assert torch.equal(relabelled, labels)
    mixed = ConcatDataset([toolbox.Relabelled(forget.dataset, labels), given(batches)[0].dataset])
    images, _ = toolbox.unpack(next(iter(DataLoader(mixed, 100))), net)
    assert torch.equal(images[90:], examples(DATA.retain[:10])[0])


def test_relabelled_examples_mix_with_examples_whose_labels_are_numbers():
    """As the data sets of torchvision have them."""
    ordinary = [(torch.full((1, 8, 8), float(i)), i) for i in range(4)]
    mixed = ConcatDataset([toolbox.Relabelled(ordinary, torch.tensor([9, 8, 7, 6])), ordinary])
    _, labels = next(iter(DataLoader(mixed, 8)))
    assert labels.tolist() == [9, 8, 7, 6, 0, 1, 2, 3]


def test_in_order_and_endless_give_the_examples_in_order_and_again_and_again():
    forget = given()[1]
    images = torch.cat([images for images, _ in toolbox.in_order(forget)])
    assert torch.equal(images, examples(DATA.forget)[0])
    batches = toolbox.endless(forget)
    assert sum(len(next(batches)[0]) for _ in range(3 * len(forget))) == 3 * len(DATA.forget)


# --- training


def test_distillation_is_the_divergence_of_the_teacher_from_the_student():
    student, teacher = torch.randn(2, 5, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, p = (teacher / 3).softmax(dim=1), (student / 3).softmax(dim=1)
    expected = 9 * (q * (q / p).log()).sum(dim=1).mean()
    torch.testing.assert_close(toolbox.distillation(student, teacher, temperature=3.0), expected)
    assert toolbox.distillation(student, student).abs() < 1e-12


def test_training_only_leaves_requires_grad_as_it_was_even_after_an_error():
    net = small_net()
    frozen, *others = net.parameters()
    frozen.requires_grad_(False)
    with pytest.raises(KeyError), toolbox.training_only(net, [frozen, others[0]]):
        assert [w.requires_grad for w in net.parameters()] == [False, True] + [False] * (len(others) - 1)
        raise KeyError
    assert [w.requires_grad for w in net.parameters()] == [False] + [True] * len(others)


def test_confined_weights_do_not_move_by_decay_or_momentum():
    net = small_net().train()
    before = copy.deepcopy(net)
    masks = {weight: torch.rand_like(weight) < 0.5 for weight in net.parameters()}
    optimiser = toolbox.sgd(net, 0.1, weight_decay=0.1)
    toolbox.confine(optimiser, masks)
    images, labels = examples(DATA.retain[:32])
    toolbox.train_epoch(net, [(images.double(), labels)] * 3, optimiser)
    for old, (weight, mask) in zip(before.parameters(), masks.items(), strict=True):
        assert torch.equal(weight[~mask], old[~mask])
        assert (weight[mask] != old[mask]).any()


# --- the parts of a network


@pytest.mark.parametrize(
    ("net", "count", "first", "last"),
    [
        (resnet18(), 10, "conv1", "fc"),
        (nn.Sequential(nn.Identity(), resnet50()), 18, "1.conv1", "1.fc"),
        (vit_b_16(), 14, "conv_proj", "heads.head"),
        (mobilenet_v3_small(), 15, "features.0.0", "classifier.3"),
        (densenet121(), 9, "features.conv0", "classifier"),
        (NETWORKS["cnn-8-16-16"](TASK), 4, "1", "13"),
        (NETWORKS["all-cnn"](TASK), 9, "1", "25"),
    ],
    ids=["resnet18", "resnet50", "vit", "mobilenet", "densenet", "cnn", "all-cnn"],
)
def test_blocks_stem_and_head(net, count, first, last):
    parts = toolbox.blocks(net)
    assert len(parts) == count
    assert toolbox.stem(net) is net.get_submodule(first)
    assert toolbox.head(net) is net.get_submodule(last)
    assert any(module is toolbox.stem(net) for module in parts[0].modules())
    assert any(module is toolbox.head(net) for module in parts[-1].modules())
    found = [id(weight) for part in parts for weight in part.parameters()]
    assert len(found) == len(set(found))
    direct = {id(net.class_token), id(net.encoder.pos_embedding)} if hasattr(net, "class_token") else set()
    assert set(found) | direct == {id(weight) for weight in net.parameters()}


# --- new weights


def test_reinitialised_layers_are_as_before_training():
    torch.manual_seed(3)
    fresh = NETWORKS["cnn-8-16-16"](TASK)
    net = copy.deepcopy(fresh).train()
    net(torch.rand(8, 1, 8, 8))
    toolbox.reinitialise(net)
    assert torch.equal(net[2].running_mean, torch.zeros(8))
    for new, old in zip(net.parameters(), fresh.parameters(), strict=True):
        assert not torch.equal(new, old) or new.dim() == 1
        assert new.abs().max().item() == pytest.approx(old.abs().max().item(), rel=0.2)


def test_noise_has_its_standard_deviation_and_is_another_one_for_each_weight():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.zeros(200, 100)) for _ in range(2)]
    toolbox.add_noise(weights, 0.3)
    assert all(weight.std().item() == pytest.approx(0.3, rel=0.02) for weight in weights)
    assert not torch.equal(*weights)


def test_uniform_values_are_those_of_a_new_layer():
    layer = nn.Conv2d(4, 200, 3)
    values, of_torch = toolbox.uniform_by_fan_in(layer.weight), layer.weight.detach()
    assert values.abs().max().item() == pytest.approx(1 / 6, rel=0.01)
    assert values.std().item() == pytest.approx(of_torch.std().item(), rel=0.05)


def test_kaiming_normal_has_the_variance_of_its_fan_out():
    net = nn.Conv2d(64, 128, 3)
    torch.manual_seed(0)
    expected = nn.init.kaiming_normal_(torch.empty_like(net.weight), mode="fan_out", nonlinearity="relu")
    torch.manual_seed(0)
    torch.testing.assert_close(toolbox.kaiming_normal(net.weight, net), expected)


def test_smallest_chooses_the_exact_number_also_among_equals_and_for_each_model_alone():
    net = nn.Linear(1, 1)
    scores = [torch.tensor([[5.0, 1.0], [1.0, 1.0]]), torch.tensor([0.5, 7.0])]
    masks = toolbox.smallest(scores, 0.5, net)
    assert [mask.sum().item() for mask in masks] == [2, 1]
    assert masks[1].tolist() == [True, False]
    assert not masks[0][0, 0]
    assert not any(mask.any() for mask in toolbox.smallest(scores, 0.0, net))
    assert all(mask.all() for mask in toolbox.smallest(scores, 1.0, net))
    members = [NETWORKS["cnn-8-16-16"](TASK) for _ in range(3)]
    together = toolbox.smallest([w.abs() for w in stack(members).parameters()], 0.3, stack(members))
    for k, member in enumerate(members):
        alone = toolbox.smallest([w.abs() for w in member.parameters()], 0.3, member)
        for mask, own in zip(together, alone, strict=True):
            assert torch.equal(mask.chunk(3)[k], own)


# --- gradients


def test_gradients_of_batches_and_of_single_examples():
    net = small_net()
    net[1].weight.requires_grad_(False)
    images, labels = examples(DATA.forget[:5])
    images = images.double()
    per_example = toolbox.per_example_gradients(net, images, labels)
    alone = list(toolbox.batch_gradients(net, [(images[i : i + 1], labels[i : i + 1]) for i in range(5)]))
    (together,) = toolbox.batch_gradients(net, [(images, labels)])
    wanted = [name for name, _ in net.named_parameters() if name != "1.weight"]
    assert len(per_example) == len(together) == len(wanted)
    batches = [(images[:3], labels[:3]), (images[3:], labels[3:])]
    for total, *parts in zip(toolbox.summed_gradients(net, batches), *toolbox.batch_gradients(net, batches), strict=True):
        torch.testing.assert_close(total, sum(parts))
    F.cross_entropy(net(images), labels).backward()
    for k, name in enumerate(wanted):
        for i in range(5):
            torch.testing.assert_close(per_example[k][i], alone[i][k])
        torch.testing.assert_close(together[k], per_example[k].mean(dim=0))
        torch.testing.assert_close(together[k], net.get_parameter(name).grad)


def test_a_frozen_copy_neither_trains_nor_follows():
    net = small_net().train()
    teacher = toolbox.frozen_copy(net)
    assert not teacher.training
    assert not any(weight.requires_grad for weight in teacher.parameters())
    with torch.no_grad():
        net[1].weight.zero_()
    assert (weights(teacher) - weights(net)).abs().max() > 0
