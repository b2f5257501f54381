import pytest
import torch

from solutions import gkt_entropy
from solutions.parts.distillation import frozen_copy
from solutions.parts.gated_transfer import Gate, Settings
from starting_kit import contract
from trials import CLASS_DATA, CLASS_TASK, gates_of_pictures, spec_of, unlearn

P = [[0.8, 0.2, 0, 0, 0, 0, 0, 0, 0, 0], [0.6, 0.4, 0, 0, 0, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0]]
ENTROPIES = [0.500, 0.673, 0.693]  # of these, in nats


def test_published_values_are_the_defaults_and_the_rest_is_that_of_gkt():
    own, base = (contract.describe(contract.find(name), []).hyperparameters for name in ("gkt_entropy", "gkt"))
    assert own.pop("most_entropy") == 0.6
    assert own == {name: value for name, value in base.items() if name != "gate"}


@pytest.mark.parametrize(("most", "passing"), [(0.4, 0), (0.6, 1), (0.68, 2), (0.7, 3)])
def test_step_1_images_that_the_teacher_is_unsure_of_are_left_out(original, most, passing):
    spec = spec_of(original)
    gate = Gate(frozen_copy(original), spec, Settings(most_entropy=most))
    assert gate.passes(torch.tensor(P).clamp(min=1e-30).log()).tolist() == [entropy <= most for entropy in ENTROPIES]
    assert sum(entropy <= most for entropy in ENTROPIES) == passing
    sure_of_what_is_to_be_forgotten = torch.zeros(1, 10)
    sure_of_what_is_to_be_forgotten[0, 3] = 99
    assert not gate.passes(sure_of_what_is_to_be_forgotten).any()


def test_step_1_the_threshold_reaches_the_gate(original, monkeypatch):
    seen = []
    monkeypatch.setattr(Gate, "passes", lambda gate, logits: seen.append(gate.settings) or logits[:, 0] < 1e9)
    few = {"pseudo_batches": 1, "batch_size": 16, "student_steps": 1}
    unlearn("gkt_entropy", original, task=CLASS_TASK, data=CLASS_DATA, most_entropy=0.3, **few)
    assert set(seen) == {Settings(most_entropy=0.3, **few)}  # the rest is that of GKT


def test_pictures_have_the_same_gate(original, monkeypatch):
    assert gates_of_pictures(gkt_entropy, original, monkeypatch) == [(0.6, 250, 64), (0.1, 250, 7)]
