"""Where a scorecard goes: what differs is in the name, and no scorecard takes the place of one of other values."""

import itertools
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from evaluation.populations.population import Population
from evaluation.scoring import ScoringConfig, assembly, codec
from evaluation.scoring.scorecard import Hyperparameters
from starting_kit import contract, tasks
from starting_kit.files import write_bytes
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")
SOLUTION = "def unlearning(a, b, c, d, *, rate=0.5, text=''): pass"
TUNED = {"rate": 0.25}


@pytest.fixture
def scored(sixteen, tmp_path):
    """Write the scorecard of a solution, as if it had been scored, and give its name and the values that it tells of."""
    card = codec.read(sixteen.path)
    path = tmp_path / "mine.py"
    path.write_text(SOLUTION)

    def score(tuned=None, path=path, **options):
        config = ScoringConfig(solution=str(path), **options)
        solution = contract.describe(path, config.set, tuned, 360 if config.hyperparameters == "transferred" else None)
        original = Population(TASK, "original", 0, tmp_path, ONE_AT_A_TIME)
        made = SimpleNamespace(populations={"unlearned": original.unlearned_by(solution, "tuple", ONE_AT_A_TIME)})
        name = assembly.file_name(made, config, tmp_path / "digits")
        used = assembly._hyperparameters(solution)
        codec.write(replace(card, hyperparameters=used), tmp_path / "digits" / f"{name}.json")
        return name, used

    return score


def test_the_values_say_whose_they_are(scored):
    values = {"rate": 0.5, "text": ""}
    assert scored()[1] == Hyperparameters("author", values)
    assert scored(path=contract.find("original"))[1] == Hyperparameters("published", {})
    assert scored(TUNED)[1] == Hyperparameters("tuned", {**values, **TUNED})
    assert scored(set=("text=x",))[1] == Hyperparameters("set", {**values, "text": "x"}, ["text"], "author")
    assert scored(TUNED, set=("text=x",))[1] == Hyperparameters("set", {"rate": 0.25, "text": "x"}, ["text"], "tuned")


@pytest.mark.parametrize(("settings", "variant"), [((), ""), (("text=x",), ",text=x")])
def test_what_is_scored_again_after_tuning_is_kept_beside_what_was_scored_before(scored, settings, variant):
    before = f"mine--{variant[1:]}" if variant else "mine"
    assert scored(set=settings)[0] == before
    assert scored(TUNED, set=settings)[0] == f"mine--tuned{variant}"
    assert scored(TUNED, set=settings)[0] == f"mine--tuned{variant}"
    assert scored(set=settings)[0] == before
    assert scored(TUNED, set=settings, hyperparameters="published")[0] == f"mine--published{variant}"


def test_what_was_tuned_from_the_first_keeps_its_name(scored):
    assert scored(TUNED)[0] == "mine"
    assert scored({"rate": 0.1})[0] == "mine"
    assert scored()[0] == "mine--published"
    assert scored(TUNED)[0] == "mine"


def test_transferred_values_are_another_entry(scored, tmp_path):
    names = [scored(hyperparameters=whose)[0] for whose in ("transferred", "published", None)]
    assert names == ["mine--transferred", "mine--published", "mine"]
    assert scored(TUNED)[0] == "mine--tuned"
    values = {"rate": 0.5, "text": ""}
    assert scored(hyperparameters="transferred")[1] == Hyperparameters("transferred", values, loader_batch_size=8)
    name, used = scored(hyperparameters="transferred", set=("rate=0.1",), models=16)
    assert name == "mine--transferred,rate=0.1,n16"
    assert used == Hyperparameters("set", {**values, "rate": 0.1}, ["rate"], "transferred", 8)
    assert used.origin == "transferred"


def test_models_of_transferred_values_are_others_from_the_same_originals(tmp_path):
    original = Population(TASK, "original", 0, tmp_path, ONE_AT_A_TIME)
    published, transferred = (contract.describe(contract.find("finetune"), [], retain=retain) for retain in (None, 360))
    assert published.hyperparameters == transferred.hyperparameters  # its batches are the loaders'
    made = [original.unlearned_by(solution, "tuple", ONE_AT_A_TIME) for solution in (published, transferred)]
    assert made[0].key != made[1].key
    assert made[0].original.key == made[1].original.key


def test_a_scorecard_that_cannot_be_read_is_replaced(scored, tmp_path):
    write_bytes(tmp_path / "digits" / "mine.json", b"{")
    assert scored(TUNED)[0] == "mine"


def test_constants_of_a_notebook_are_in_the_name(scored):
    assert scored(define=("rate=0.1", "epochs=3"), models=16)[0] == "mine--epochs=3,rate=0.1,n16"


def test_long_values_make_names_that_can_be_written_and_differ(scored):
    long = ["a" * 300, "a" * 301, "ä" * 120, "文" * 90]
    names = [scored(set=(f"text={value}",))[0] for value in long]
    assert all(len(name.encode()) <= assembly.LONGEST_NAME and name.startswith("mine--text=") for name in names)
    assert not [pair for pair in itertools.combinations(names, 2) if pair[0] == pair[1]]
