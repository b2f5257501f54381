"""What a score means, in words."""

import shutil

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from evaluation.metric.measured import Measured, Pooled
from evaluation.reports.verdict import place, sentence, verdict
from evaluation.scoring import codec


@pytest.fixture
def card(sixteen):
    changes = {"score": Measured(0.05), "score_interval": Measured((0.04, 0.06)), "ceiling": Measured(0.2)}
    return replace(codec.read(sixteen.path), **changes, pooled=UNSET, path=None)


def test_it_is_a_share_of_what_retraining_gets(card):
    assert verdict(card) == "25.0% of what retraining gets"
    assert verdict(replace(card, score_interval=Measured((0.04, 0.195)))).startswith("as good as retraining")
    assert verdict(replace(card, score_interval=Measured(reason="few"))) == "25.0% of what retraining gets"
    assert verdict(replace(card, score=Measured(reason="no accuracies"))) == ""


@pytest.mark.parametrize(
    ("bounds", "originals_models", "how"),
    [
        ((0.06, 0.07), UNSET, "better than"),
        ((0.04, 0.06), UNSET, "about as well as"),
        ((0.03, 0.04), UNSET, "less well than"),
        ((0.03, 0.04), 8, "about as well as"),  # few originals score more than as many as there are runs
        ((0.02, 0.03), 8, "less well than"),
    ],
)
def test_runs_from_many_originals_are_held_against_these(card, bounds, originals_models, how):
    pooled = Pooled(Measured(0.05), Measured(0.25), 0.05)
    of_many = {"pooled": pooled, "pooled_interval": Measured(bounds), "originals_score": Measured(0.05)}
    said = verdict(replace(card, **of_many, originals_models=originals_models))
    assert f"its runs pass for retrained models {how} networks that have forgotten nothing" in said
    assert said.endswith("(pooled score 0.0500, theirs 0.0500)")


def test_its_place_is_among_those_that_may_be_compared(sixteen, tmp_path):
    card = codec.read(sixteen.path)
    for name, score in (("best", 0.9), ("worst", 0.0)):
        codec.write(replace(card, solution=name, score=Measured(score)), tmp_path / f"{name}.json")
    codec.write(replace(card, models=17), tmp_path / "other.json")
    (tmp_path / "broken.json").write_text("{")
    own = codec.write(card, tmp_path / "own.json")
    assert place(own).startswith(f"2nd of 3 in {tmp_path}")
    assert sentence(own).endswith(".")
    assert f"Place: 2nd of 3 in {tmp_path}" in sentence(own)
    above = codec.write(replace(card, cost=0.5, within_limit=Measured(False)), tmp_path / "own.json")
    assert place(above) == "none, as it takes too long; 2 others have one"


def test_alone_it_has_none(sixteen, tmp_path):
    shutil.copy(sixteen.path, tmp_path / "own.json")
    assert place(codec.read(tmp_path / "own.json")) == ""
    assert place(replace(codec.read(sixteen.path), path=None)) == ""
