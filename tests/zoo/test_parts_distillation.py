import torch

from solutions.parts.distillation import distillation, frozen_copy
from trials import small_net, weights


def test_distillation_is_the_divergence_of_the_teacher_from_the_student():
    student, teacher = torch.randn(2, 5, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, p = (teacher / 3).softmax(dim=1), (student / 3).softmax(dim=1)
    expected = 9 * (q * (q / p).log()).sum(dim=1).mean()
    torch.testing.assert_close(distillation(student, teacher, temperature=3.0), expected)
    assert distillation(student, student).abs() < 1e-12


def test_a_frozen_copy_neither_trains_nor_follows():
    net = small_net().train()
    teacher = frozen_copy(net)
    assert not teacher.training
    assert not any(weight.requires_grad for weight in teacher.parameters())
    with torch.no_grad():
        net[1].weight.zero_()
    assert (weights(teacher) - weights(net)).abs().max() > 0
