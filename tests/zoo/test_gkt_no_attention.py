from solutions import gkt, gkt_no_attention
from solutions.parts.gated_transfer import Settings
from starting_kit import contract
from trials import CLASS_DATA, CLASS_TASK, gates_of_pictures, unlearn


def test_published_values_are_the_defaults_and_the_rest_is_that_of_gkt():
    own, base = (contract.describe(contract.find(name), []).hyperparameters for name in ("gkt_no_attention", "gkt"))
    assert own.pop("most_entropy") == 0.75
    assert own == {name: value for name, value in base.items() if name not in ("gate", "attention_weight")}


def settings_of_a_run(original, monkeypatch, **values):
    seen, study = [], gkt.study
    monkeypatch.setattr(gkt, "study", lambda *given: seen.append(given[-1]) or study(*given))
    few = {"pseudo_batches": 1, "batch_size": 16, "student_steps": 1}
    unlearn("gkt_no_attention", original, task=CLASS_TASK, data=CLASS_DATA, **few, **values)
    return seen[0], few


def test_step_1_attention_has_no_weight(original, monkeypatch):
    settings, few = settings_of_a_run(original, monkeypatch)
    assert settings == Settings(most_entropy=0.75, attention_weight=0, **few)  # the rest is that of GKT


def test_step_2_the_entropy_gate_is_there(original, monkeypatch):
    assert settings_of_a_run(original, monkeypatch)[0].most_entropy == 0.75
    assert settings_of_a_run(original, monkeypatch, most_entropy=0.2)[0].most_entropy == 0.2


def test_pictures_have_the_same_gate(original, monkeypatch):
    assert gates_of_pictures(gkt_no_attention, original, monkeypatch) == [(0.75, 0, 64), (0.1, 0, 7)]
