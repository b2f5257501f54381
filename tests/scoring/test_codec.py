"""Scorecards as files."""

import json
import math

import pytest
from msgspec.structs import replace

from conftest import PROJECT
from evaluation.metric.measured import Measured
from evaluation.scoring import codec
from starting_kit.errors import InputError
from starting_kit.files import write_json

COMMITTED = sorted((PROJECT / "results").rglob("*.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=[path.stem for path in COMMITTED])
def test_a_committed_scorecard_is_written_as_it_was_read(path, tmp_path):
    card = codec.read(path)
    assert (card.path, card.entry) == (path, path.stem)
    assert codec.write(card, tmp_path / "again.json").path == tmp_path / "again.json"
    text = path.read_text(encoding="utf-8").replace('"floor', '"originals_score')  # its name until 2026-11
    assert (tmp_path / "again.json").read_text(encoding="utf-8") == text


def test_there_are_committed_scorecards():
    assert len(COMMITTED) > 20


@pytest.fixture
def content(sixteen):
    return json.loads(sixteen.path.read_text())


def read(tmp_path, text):
    path = tmp_path / "card.json"
    path.write_text(text)
    return codec.read(path)


def test_a_number_that_is_not_there_stands_with_its_reason(content, tmp_path):
    card = read(tmp_path, json.dumps(content))
    reason = "16 models are too few for an interval, at least 48 are needed"
    assert card.score_interval == Measured(reason=reason)
    names = list(content)
    assert names[names.index("score_interval") + 1] == "score_interval_reason"
    known = codec.encode(replace(card, score_interval=Measured((0.25, 0.5))))
    assert (known["score_interval"], "score_interval_reason" in known) == ([0.25, 0.5], False)


def test_what_is_said_of_few_scorecards_is_absent_from_the_others(content, tmp_path):
    said = {"different_models": 3, "different_retrained_models": 1, "notes": ["the seed at the top was left out"]}
    assert not said.keys() & content.keys()
    card = replace(read(tmp_path, json.dumps(content)), **said)
    written = codec.encode(card)
    assert list(written)[:3] == ["schema_version", "different_models", "different_retrained_models"]
    again = read(tmp_path, json.dumps(written))
    assert [getattr(again, name) for name in said] == list(said.values())
    assert again.has_equal_models
    assert codec.encode(read(tmp_path, json.dumps(content))) == content


def test_what_a_number_is_not_cannot_be_written(content, tmp_path):
    card = read(tmp_path, json.dumps(content))
    with pytest.raises(ValueError, match="not JSON compliant"):
        codec.write(replace(card, score=Measured(math.nan)), tmp_path / "nan.json")
    assert not (tmp_path / "nan.json").exists()


@pytest.mark.parametrize("version", [2, 4, "3", None, [3]])
def test_another_schema_version_is_refused(content, tmp_path, version):
    with pytest.raises(InputError, match=r"card\.json (has schema version|is not a scorecard).*score again"):
        read(tmp_path, json.dumps({**content, "schema_version": version}))


@pytest.mark.parametrize(
    "changes",
    [
        {"models": "sixteen"},
        {"score": "high"},
        {"score_interval": [0.1]},
        {"epsilons": [{"example": 1}]},
        {"epsilons": 3},
        {"attacks": {"u_lira": {}}},
        {"hyperparameters": {"source": "guessed", "values": {}}},
        {"environment": []},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_field_of_another_type_is_refused(content, tmp_path, changes):
    with pytest.raises(InputError, match=r"card\.json is not a scorecard .*; remove it or score again"):
        read(tmp_path, json.dumps({**content, **changes}))


@pytest.mark.parametrize("name", ["solution", "models", "score", "epsilons", "environment", "retrained_population"])
def test_a_field_that_is_missing_is_refused(content, tmp_path, name):
    del content[name]
    with pytest.raises(InputError, match=r"card\.json is not a scorecard"):
        read(tmp_path, json.dumps(content))


def test_a_file_that_is_cut_off_anywhere_is_refused(content, tmp_path):
    write_json(tmp_path / "whole.json", content)
    whole = (tmp_path / "whole.json").read_text().rstrip()
    for size in range(0, len(whole), 101):
        with pytest.raises(InputError, match=r"card\.json is not a scorecard"):
            read(tmp_path, whole[:size])


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"', "\ufeff{}"])
def test_what_is_no_dict_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"card\.json is not a scorecard"):
        read(tmp_path, text)


def test_a_folder_is_no_scorecard(tmp_path):
    with pytest.raises(InputError, match="is not a scorecard"):
        codec.read(tmp_path)
