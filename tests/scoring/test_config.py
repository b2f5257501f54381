"""Three modes of scoring are three configurations, and options belong to one of them."""

import dataclasses
from pathlib import Path

import pytest

from evaluation import options, score
from evaluation.scoring import FolderConfig, PairConfig, ScoringConfig
from evaluation.scoring.config import Config, SequentialConfig
from starting_kit.errors import InputError

# A value of every option, as it is typed.
TYPED = {
    "workers": ["2"],
    "no_intervals": [],
    "solution": ["finetune"],
    "task": ["digits"],
    "data": ["folder"],
    "forget": ["class:3"],
    "network": ["resnet18"],
    "epochs": ["3"],
    "models": ["64"],
    "originals": ["4"],
    "seed": ["1"],
    "engine": ["single"],
    "device": ["cpu"],
    "data_free": [],
    "pictures": [],
    "hyperparameters": ["published"],
    "time_limit": ["5"],
    "require_sandbox": [],
    "define": ["test=False"],
    "set": ["epochs=3"],
    "runs": ["folder"],
    "results": ["folder"],
    "json": ["card.json"],
    "export": ["folder"],
    "retrained": ["a.npz"],
    "unlearned": ["b.npz"],
    "populations": ["folder"],
}
REQUIRED = {ScoringConfig: ("solution",), PairConfig: ("retrained", "unlearned"), FolderConfig: ("populations",)}


def names(mode):
    return {field.name for field in dataclasses.fields(mode)}


def typed(*options):
    return [part for name in options for part in (f"--{name.replace('_', '-')}", *TYPED[name])]


def configured(*given) -> Config | SequentialConfig:
    return options.config(options.parse(typed(*given), "usage"))


def test_every_field_is_an_option():
    assert set().union(*map(names, REQUIRED)) == TYPED.keys()


def test_paths_may_be_given_as_text():
    config = ScoringConfig(solution="finetune", runs="somewhere", json="card.json")
    assert (config.runs, config.json) == (Path("somewhere"), Path("card.json"))
    assert PairConfig(retrained="a.npz", unlearned="b.npz").unlearned == Path("b.npz")


@pytest.mark.parametrize("mode", REQUIRED, ids=lambda mode: mode.__name__)
def test_what_is_not_given_has_the_default_of_the_configuration(mode):
    required = REQUIRED[mode]
    config = configured(*required)
    assert config == mode(**{name: getattr(config, name) for name in required})


@pytest.mark.parametrize(
    ("mode", "name"),
    [(mode, name) for mode, required in REQUIRED.items() for name in TYPED if name in names(mode) and name not in required],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_option_of_the_mode_is_taken(mode, name):
    required = REQUIRED[mode]
    config = configured(*required, name)
    assert type(config) is mode
    if TYPED[name] and name not in ("device", "task"):  # which are the defaults
        assert getattr(config, name) != getattr(configured(*required), name)


@pytest.mark.parametrize(
    ("mode", "name"),
    [(mode, name) for mode in REQUIRED for name in TYPED if name not in names(mode)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_option_of_another_mode_is_refused(mode, name):
    with pytest.raises(InputError) as refused:
        configured(*REQUIRED[mode], name)
    expected = f"--{name.replace('_', '-')} "
    if any(name in required for required in REQUIRED.values()):
        expected = options.ONE_OF_THREE
    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize("given", [(), ("retrained",), ("unlearned",), ("models",), ("json", "results")])
def test_without_a_mode_the_three_are_named(given, capsys):
    with pytest.raises(InputError) as refused:
        configured(*given)
    assert str(refused.value) == options.ONE_OF_THREE
    assert score.main(typed(*given)) == 2
    assert "Give either --solution" in capsys.readouterr().err


def test_values_are_collected_in_their_order():
    config = options.config(options.parse(["--solution", "mine", "--set", "b=1", "--set", "a=2"], "usage"))
    assert config.set == ("b=1", "a=2")
