import math

import pytest
import torch
from torch.nn import functional as F

from solutions.parts import gated_transfer
from solutions.parts.distillation import frozen_copy
from solutions.parts.gated_transfer import Gate, Settings, attention_maps, recorded
from trials import DATA, adam, examples, gkt_parts, logits_of, spec_of


def test_what_keeps_an_image_from_passing_is_nothing_if_it_passes(original):
    gate = Gate(frozen_copy(original), spec_of(original), Settings(most_entropy=1.0))
    passing, forgotten = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0.9, 0, 0.1, 0, 0, 0, 0, 0, 0]
    excess = gate.excess(logits_of(passing, forgotten, [0.2] * 3 + [0] + [0.2] * 2 + [0] * 4))
    assert excess.tolist() == pytest.approx([0, math.log(0.1 / 0.01), math.log(5) - 1])


def test_forget_classes_are_taken_out_of_what_the_student_learns(original):
    gate, _, _ = gkt_parts(original)
    p = torch.tensor([[0.1, 0.2, 0.5, 0.008, 0.192, 0, 0, 0, 0, 0]], dtype=torch.float64)
    targets = gate.targets(p.log()).exp()
    assert targets[0, 3] == 0
    torch.testing.assert_close(targets[0, :3], p[0, :3] / 0.992)
    shared = Gate(gate.teacher, gate.spec, Settings(share_forget=True)).targets(p.log()).exp()
    torch.testing.assert_close(shared, p)


def test_attention_weighs_the_same_whatever_the_size_of_the_images(original, monkeypatch):
    gate, _, student = gkt_parts(original)
    lesson, losses = gate.lesson(examples(DATA.retain[:200])[0]), []
    monkeypatch.setattr(gated_transfer, "descend", lambda loss, *more: losses.append(loss.item()))
    student.eval()
    for weight in (0.0, 1600.0):
        gated_transfer.study(student, lesson, adam(student), Settings(attention_weight=weight))
    with recorded(student) as activations:
        student(lesson.images)
    maps = attention_maps(activations)
    distance = sum(F.mse_loss(own, teachers).item() for own, teachers in zip(maps, lesson.maps, strict=True))
    assert losses[1] - losses[0] == pytest.approx(1600 * 64 / 1024 * distance, rel=1e-3)
