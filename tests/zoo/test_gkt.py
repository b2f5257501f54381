import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions import gkt
from solutions.parts import examiner, gated_transfer, image_generator
from solutions.parts.distillation import frozen_copy
from solutions.parts.gated_transfer import Settings, attention_maps, recorded
from starting_kit import contract
from starting_kit.loaders import loaders
from starting_kit.networks import NETWORKS
from trials import CLASS_DATA, CLASS_TASK, DATA, FEW, adam, examples, gkt_parts, logits_of, resnet, spec_of, unlearn, weights


def test_published_values_are_the_defaults_but_for_those_that_are_ours():
    values = contract.describe(contract.find("gkt"), []).hyperparameters
    published = {"student_steps": 10, "gate": 0.01, "attention_weight": 250.0}
    ours = {
        "pseudo_batches": 400,
        "batch_size": 64,
        "learning_rate": 3e-3,
        "balance": 0.05,
        "average": 0.99,
        "share_forget": False,
    }
    assert values == {**published, **ours, "examine_every": 25, "patience": 8}
    assert (Settings().largest_gradient, Settings().most_entropy, image_generator.NOISE) == (5.0, float("inf"), 128)
    assert {name: getattr(Settings(), name) for name in values} == values


def test_step_1_the_student_has_new_weights_and_the_teacher_keeps_its_own(original, monkeypatch):
    other = copy.deepcopy(original)
    nn.init.zeros_(other[1].weight)
    other[1].weight.requires_grad_(False)
    students = []
    for net in (original, other):
        torch.manual_seed(1)
        students.append(gkt.fresh_copy(net))
    assert torch.equal(weights(students[0]), weights(students[1]))
    assert all(weight.requires_grad for weight in students[1].parameters())
    assert not torch.equal(weights(students[0]), weights(original))
    teachers = []
    monkeypatch.setattr(gkt, "frozen_copy", lambda net: teachers.append(frozen_copy(net)) or teachers[0])
    student, _ = gkt.transfer(copy.deepcopy(original), spec_of(original), FEW)
    assert torch.equal(weights(teachers[0]), weights(original))
    assert not torch.equal(weights(student), weights(original))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 13, 30)])
def test_step_2_noise_becomes_images_of_any_size_through_two_upsamplings(shape):
    generator = image_generator.Generator(shape, width=8)
    images = generator(torch.randn(64, image_generator.NOISE))
    assert images.shape == (64, *shape)
    assert sum(isinstance(layer, nn.Upsample) for layer in generator.layers) == 2
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(shape[0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(images.std(dim=(0, 2, 3)), torch.ones(shape[0]), atol=0.01, rtol=0)


def test_step_2_a_step_of_the_generator_makes_teacher_and_student_disagree_more(original):
    gate, generator, student = gkt_parts(original, Settings(balance=0))
    noise, optimiser, before = gkt.draw_noise(generator, 64), adam(generator, 1e-2), weights(student).clone()

    def disagreement():
        images = gate.spec.pixels(generator(noise))
        passes = gate.passes(logits := gate.teacher(images))
        return gated_transfer.divergence(student(images[passes]), gate.targets(logits[passes])).item()

    at_first = disagreement()
    for _ in range(10):
        gkt.challenge(generator, noise, student, gate, optimiser)
    assert disagreement() > 1.2 * at_first
    assert torch.equal(weights(student), before)
    assert all(weight.grad is None for weight in student.parameters())


def test_step_2_the_generator_learns_before_each_pseudo_batch(original, monkeypatch):
    before, challenge = [], gkt.challenge

    def watched(generator, *more):
        before.append(weights(generator).clone())
        challenge(generator, *more)

    monkeypatch.setattr(gkt, "challenge", watched)
    _, generator = gkt.transfer(copy.deepcopy(original), spec_of(original), FEW)
    first, second = before
    assert not torch.equal(first, second)
    assert not torch.equal(second, weights(generator))


def test_step_3_images_with_too_much_of_the_forget_classes_are_left_out(original):
    gate, _, _ = gkt_parts(original)
    few, much = [0.1, 0.2, 0.5, 0.009, 0.191, 0, 0, 0, 0, 0], [0.1, 0.2, 0.5, 0.011, 0.189, 0, 0, 0, 0, 0]
    assert gate.passes(logits_of(few, much)).tolist() == [True, False]
    gate.forget = [3, 0]  # of several classes, all together
    assert gate.passes(logits_of(few, much)).tolist() == [False, False]


def test_step_3_a_lesson_has_only_images_that_pass(original):
    gate, _, _ = gkt_parts(original)
    ids = DATA.retain[:200]
    images, _ = examples(ids)
    lesson = gate.lesson(images)
    p = original(images).softmax(dim=1)[:, 3]
    assert torch.equal(lesson.images, images[p <= 0.01])
    assert 0 < len(lesson.images) < 200
    assert lesson.targets.shape == (len(lesson.images), 10)
    assert {len(places) for places in lesson.maps} == {len(lesson.images)}


def test_step_3_holds_for_the_generator_too(original, monkeypatch):
    gate, generator, student = gkt_parts(original)
    seen = []
    student.register_forward_pre_hook(lambda net, arguments: seen.append(arguments[0]))
    noise = gkt.draw_noise(generator, 64)
    gkt.challenge(generator, noise, student, gate, adam(generator, 0.0))
    assert 0 < len(seen[0]) < 64
    assert (gate.teacher(seen[0]).softmax(dim=1)[:, 3] <= 0.01001).all()
    monkeypatch.setattr(gate, "passes", lambda logits: torch.zeros(len(logits), dtype=torch.bool))
    gkt.challenge(generator, noise, student, gate, adam(generator, 0.0))  # none passes
    gkt.study(student, gate.lesson(examples(DATA.retain[:9])[0]), adam(student), FEW)
    assert len(seen) == 1


def test_step_4_the_student_learns_from_each_pseudo_batch_so_many_times(original, monkeypatch):
    lessons, study = [], gkt.study
    monkeypatch.setattr(gkt, "study", lambda student, lesson, *more: lessons.append(lesson) or study(student, lesson, *more))
    gkt.transfer(copy.deepcopy(original), spec_of(original), FEW)
    assert [lessons[0] is lesson for lesson in lessons] == [True, True, False, False]


def test_step_4_the_divergence_is_that_of_the_source(original):
    gate, _, student = gkt_parts(original, Settings(attention_weight=0))
    lesson = gate.lesson(examples(DATA.retain[:200])[0])

    def divergence():
        return gated_transfer.divergence(student(lesson.images), lesson.targets)

    expected = F.kl_div(student(lesson.images).log_softmax(dim=1), lesson.targets.exp(), reduction="batchmean") / 10
    torch.testing.assert_close(divergence(), expected)
    at_first, optimiser = divergence().item(), adam(student, 1e-2)
    for _ in range(10):
        gkt.study(student, lesson, optimiser, gate.settings)
    assert divergence().item() < 0.8 * at_first


def test_step_5_students_learn_to_look_where_the_teacher_looks(original):
    def distance_after(attention_weight):
        gate, _, student = gkt_parts(original, Settings(attention_weight=attention_weight))
        lesson, optimiser = gate.lesson(examples(DATA.retain[:200])[0]), adam(student, 1e-3)
        for _ in range(10):
            gkt.study(student, lesson, optimiser, gate.settings)
        with recorded(student) as activations:
            student(lesson.images)
        return sum(F.mse_loss(*pair).item() for pair in zip(attention_maps(activations), lesson.maps, strict=True))

    assert distance_after(250.0) < 0.9 * distance_after(0.0)


def test_step_5_maps_are_squared_activations_of_length_one():
    activation = torch.tensor([[[[1.0, -5.0]], [[2.0, 4.0]]]])  # two channels, two places; after a ReLU
    (places,) = attention_maps([activation, torch.ones(1, 7)])
    torch.testing.assert_close(places, F.normalize(torch.tensor([[5.0, 16.0]]), dim=1))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("cnn-8-16-16", [64, 16, 16]), ("all-cnn-12", [64, 64, 16, 16, 16, 4, 4, 4]), ("resnet18", [16, *[4] * 2, *[1] * 6])],
)
def test_step_5_attention_is_taken_behind_every_block_but_the_head(name, sizes):
    net = resnet() if name == "resnet18" else NETWORKS[name](CLASS_TASK)
    with recorded(net) as activations:
        net(torch.rand(2, 3 if name == "resnet18" else 1, 8, 8))
    assert [places.shape[1] for places in attention_maps(activations)] == sizes
    assert not any(module._forward_hooks for module in net.modules())


def test_step_6_gradients_are_clipped(original):
    gate, _, student = gkt_parts(original)
    optimiser = adam(student)
    gated_transfer.descend(1e6 * student(examples(DATA.retain[:9])[0]).square().sum(), student, optimiser, gate.settings)
    length = torch.cat([weight.grad.flatten() for weight in student.parameters()]).norm().item()
    assert length == pytest.approx(5, rel=1e-3)


def test_step_6_learning_rates_are_halved_when_the_student_does_no_better(original, monkeypatch):
    optimisers, make = [], gkt.Adam
    monkeypatch.setattr(gkt, "Adam", lambda *a, **b: optimisers.append(make(*a, **b)) or optimisers[-1])
    monkeypatch.setattr(gkt.Examiner, "agreement", lambda *given: 0.5)
    for pseudo_batches, learning_rate in ((3, 3e-3), (4, 1.5e-3)):
        settings = Settings(pseudo_batches=pseudo_batches, batch_size=16, student_steps=1, examine_every=1)
        gkt.transfer(copy.deepcopy(original), spec_of(original), settings)
        assert [optimiser.param_groups[0]["lr"] for optimiser in optimisers[-2:]] == [learning_rate] * 2


def test_the_average_of_the_students_weights_is_examined(original, monkeypatch):
    students, examined, study = [], [], gkt.study
    monkeypatch.setattr(gkt, "study", lambda student, *more: study(student, *more) or students.append(copy.deepcopy(student)))
    monkeypatch.setattr(gkt.Examiner, "agreement", lambda examiner, student, fresh: examined.append(student))
    torch.manual_seed(0)
    start = gkt.fresh_copy(original)
    monkeypatch.setattr(gkt, "fresh_copy", lambda net: copy.deepcopy(start))
    settings = Settings(pseudo_batches=1, batch_size=16, student_steps=2, average=0.75)
    gkt.transfer(copy.deepcopy(original), spec_of(original), settings)
    states = [net.state_dict() for net in (start, *students, *examined)]
    for name, value in states[3].items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.5625 * states[0][name] + 0.1875 * states[1][name] + 0.25 * states[2][name])
    assert states[3]["2.num_batches_tracked"] == states[2]["2.num_batches_tracked"] > 0


def run_with(original, monkeypatch, results, **settings):
    """Weights of the students that are examined, in order, and of the one that is returned.

    Each has its own result, whenever it is examined; the untrained one is compared with the first, and so the second.
    """
    seen = {}

    def examine(student, probes, gate):
        key = weights(student).sum().item()
        seen.setdefault(key, (weights(student).clone(), results[min(len(seen), len(results) - 1)]))
        return seen[key][1]

    monkeypatch.setattr(examiner, "examine", examine)
    settings = {"pseudo_batches": 9, "batch_size": 16, "student_steps": 1, "examine_every": 1, **settings}
    student, _ = gkt.transfer(copy.deepcopy(original), spec_of(original), Settings(**settings))
    return [vector for vector, _ in seen.values()], weights(student)


def test_step_7_the_best_student_before_the_forget_class_is_relearnt_is_kept(original, monkeypatch):
    results = [(0.1, 0.0), (0.0, 0.0), (0.6, 0.01), (0.5, 0.0), (0.9, 0.02), (0.9, 0.0)]
    seen, kept = run_with(original, monkeypatch, results)
    assert len(seen) == 5
    assert torch.equal(kept, seen[2])


def test_step_7_training_ends_when_the_student_gets_no_better(original, monkeypatch):
    results = [(0.5, 0.0), (0.0, 0.0), (0.504, 0.0), (0.4, 0.0)]  # a little better does not count, but is kept
    seen, kept = run_with(original, monkeypatch, results, patience=3)
    assert len(seen) == 5
    assert torch.equal(kept, seen[2])


class Digits(nn.Module):
    """A generator that has seen the data."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, noise):
        mean, std = CLASS_TASK.pixel_mean[0], CLASS_TASK.pixel_std[0]
        return (examples(DATA.retain[: len(noise)])[0] - mean) / std


def test_step_7_students_are_examined_on_generated_images(original):
    """A student that is the teacher agrees with it in everything, the forget class too."""
    gate, _, student = gkt_parts(original)
    probes = [gkt.probe(Digits(), gate, number) for number in (100, 200)]
    assert examiner.examine(copy.deepcopy(original), probes, gate) == (1.0, 1.0)
    never = copy.deepcopy(original)
    never[-1].bias.data[3] = -1e4
    assert examiner.examine(never, probes, gate) == (1.0, 0.0)
    agreement, _ = examiner.examine(student, probes, gate)
    assert agreement < 0.5
    assert student.training


def test_step_7_students_are_compared_on_the_same_images_of_several_examinations(original, monkeypatch):
    gate, generator, student = gkt_parts(original, Settings(patience=99))
    own_examiner, seen, examine = gkt.Examiner(student, gate, gate.settings), [], examiner.examine
    monkeypatch.setattr(examiner, "examine", lambda own, probes, gate: seen.append(list(probes)) or examine(own, probes, gate))
    fresh = [gkt.probe(generator, gate, 16) for _ in range(6)]
    for number in range(6):
        own_examiner.agreement(student, fresh[number])
        assert seen[-1] == seen[-2] == fresh[max(0, number - 3) : number + 1]


def test_pictures_are_generated_images_by_the_class_that_the_teacher_sees(original):
    torch.manual_seed(0)
    given = loaders(CLASS_TASK, CLASS_DATA, "tuple", data_free=True)
    images = gkt.pictures(copy.deepcopy(original), *given, pseudo_batches=2, batch_size=64, student_steps=1)
    assert images.shape == (10, 8, 1, 8, 8)
    found = original(images.flatten(0, 1)).argmax(dim=1).view(10, 8)
    grey = (images == images.new_tensor(CLASS_TASK.pixel_mean[0])).flatten(2).all(dim=2)
    assert (~grey).any(dim=1).sum() >= 3
    assert torch.equal(found[~grey], torch.arange(10)[:, None].expand(10, 8)[~grey])


def test_random_forget_sets_are_refused_with_a_sentence(original):
    with pytest.raises(Exception, match="every class is in the forget set"):
        unlearn("gkt", original, data=DATA, pseudo_batches=1)
