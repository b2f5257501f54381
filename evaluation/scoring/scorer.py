"""From a configuration to a scorecard: the library's entry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.metric.measured import Controls, Intervals, Scores
from evaluation.metric.outputs import Outputs
from evaluation.populations.population import Kind
from evaluation.scoring import assembly, codec, experiment, external, tuned
from evaluation.scoring.config import Common, FolderConfig, PairConfig, ScoringConfig
from evaluation.scoring.experiment import Experiment, timed
from evaluation.scoring.reporter import SILENT, Reporter, tell_all
from evaluation.scoring.scorecard import Opinion, Scorecard
from evaluation.scoring.scored import Scored
from starting_kit import contract
from starting_kit.errors import InputError
from starting_kit.files import Arrays, require_writable, write_bytes, write_json
from starting_kit.tasks import kaggle_layout
from starting_kit.tasks.data import SPLITS
from starting_kit.tasks.task import Task


def score(config: ScoringConfig | PairConfig, reporter: Reporter = SILENT) -> Scorecard:
    """Score a solution, or compare two populations that were made elsewhere.

    A solution's scorecard is written to the folder of results as well, and its populations are kept: what was made before
    is used again.

    Args:
        config: all that determines the score.
        reporter: is told what takes time; nobody is if it is not given.

    Raises:
        InputError: the configuration, the solution or a file is wrong.
        RunError: the solution failed, or a file cannot be written; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    return score_in_full(config, reporter).card


def score_in_full(config: ScoringConfig | PairConfig, reporter: Reporter = SILENT) -> Scored:
    """As `score`, and give what was compared as well, for who wants to know why the score is what it is."""
    config.check()
    return _score_pair(config, reporter) if isinstance(config, PairConfig) else _score_solution(config, reporter)


def score_folder(config: FolderConfig, reporter: Reporter = SILENT) -> Iterator[Scorecard]:
    """Compare every approach of a folder with its retrained population, one after the other.

    Raises:
        InputError: a file is wrong.
        RunError: a scorecard cannot be written; what was finished is kept.
    """
    config.check()
    name = config.populations.resolve().name
    require_writable(config.results / name, "--results")
    for approach in external.approaches(config.populations):
        pair = external.read_approach(config.populations, approach)
        card = _compare(config, pair, name, approach, reporter).card
        yield codec.write(card, config.results / name / f"{approach}.json")


def _score_solution(config: ScoringConfig, reporter: Reporter) -> Scored:
    task = config.find_task()
    require_writable(config.runs, "--runs")
    path, notes = solution_path(config, task, reporter)
    folder = config.results / task.name
    require_writable(folder, "--results")
    seconds: dict[str, float] = {}
    made = experiment.run(config, task, path, tuned_values(config, task, path), reporter, seconds)
    with reporter.waiting("Comparing the populations"):
        outputs = made.outputs()
        card = _card_of(made, outputs, config, seconds, notes)
    name = assembly.file_name(made, config, folder)
    card = codec.write(card, folder / f"{name}.json")
    if made.pictures and card.path:
        write_bytes(card.path.with_suffix(".png"), made.pictures)
    if config.json:
        write_json(config.json, codec.encode(card))
    if config.export:
        _export(made, config.export, name)
    return Scored(card, outputs["unlearned"], outputs["retrained"], task)


def solution_path(config: ScoringConfig, task: Task, reporter: Reporter) -> tuple[Path, list[str]]:
    """The file of the solution; of a notebook, what was taken out of it, and notes on what differs, which are told as well.

    Raises:
        InputError: there is no such solution, or it cannot be taken out of its notebook.
    """
    path = contract.find(config.solution, (".py", ".ipynb"))
    if path.suffix == ".py":
        if config.define:
            raise InputError(
                f"--define {config.define[0]} is for notebooks; hyper-parameters of a .py file are set with --set."
            )
        return path, []
    from starting_kit.notebooks import extraction

    competition = kaggle_layout.find_root(task.folder).resolve() if task.name == "kaggle_layout" else None
    path, notes = extraction.write(path, config.define, competition, config.runs / "notebooks")
    tell_all(reporter, notes, path.with_suffix(".log"))
    return path, notes


def tuned_values(config: ScoringConfig, task: Task, path: Path) -> dict[str, Any] | None:
    """The values that were fitted to the task, or None for the published ones, which may be carried over.

    Raises:
        InputError: the tuned ones are asked for, and there are none.
    """
    entry = tuned.read(path, task)
    if config.hyperparameters == "tuned" and entry is None:
        what = f"version {task.version} of {task.name}"
        if task.changed:
            raise InputError(f"{path.stem} is not tuned for {what} with another {' and another '.join(task.changed)}.")
        raise InputError(
            f"{path.stem} is not tuned for {what}; "
            f"run python evaluation/tune.py --solution {config.solution} --task {task.name}."
        )
    return entry.values if entry and config.hyperparameters in (None, "tuned") else None


def _card_of(
    made: Experiment, outputs: dict[Kind, Outputs], config: ScoringConfig, seconds: dict[str, float], notes: list[str]
) -> Scorecard:
    from evaluation.scoring import class_forgetting  # as in `measure`

    reference = outputs["second_retrained"], outputs["retrained"]
    measured = measure(config, outputs["unlearned"], outputs["retrained"], reference, outputs["original"], seconds)
    with timed(seconds, "class_forgetting"):
        of_class = class_forgetting.of_experiment(made)
    of_solution = made.populations["unlearned"].unlearning().solution.remarks
    return assembly.of_experiment(made, *measured, of_class, seconds, config.cores, [*notes, *of_solution])


def _score_pair(config: PairConfig, reporter: Reporter) -> Scored:
    pair = external.read_pair(config.retrained, config.unlearned)
    scored = _compare(config, pair, config.retrained.stem, config.unlearned.stem, reporter)
    if config.json:
        write_json(config.json, codec.encode(scored.card))
    return scored


def _compare(config: Common, pair: external.Pair, task: str, solution: str, reporter: Reporter) -> Scored:
    """The scorecard of external populations; the ceiling is that of half of the retrained models."""
    seconds: dict[str, float] = {}
    halves = pair.retrained.halves()
    if halves[0].models < FEWEST_MODELS:
        raise InputError(
            f"{pair.retrained.models} retrained models are too few, at least {2 * FEWEST_MODELS} are needed: what can be hoped "
            "for is measured on their two halves."
        )
    with reporter.waiting(f"Comparing {solution} with retrained models"):
        try:
            measured = measure(config, pair.unlearned, pair.retrained, halves, None, seconds)
        except ValueError as error:
            raise InputError(f"{solution} cannot be scored: {error}.") from error
    card = assembly.of_external(task, solution, pair, *measured, seconds, config.cores)
    return Scored(card, pair.unlearned, pair.retrained)


def measure(
    config: Common,
    unlearned: Outputs,
    retrained: Outputs,
    reference: tuple[Outputs, Outputs],
    original: Outputs | None,
    seconds: dict[str, float],
) -> tuple[Scores, Intervals, Controls, dict[str, Opinion]]:
    """All that is measured on unlearned and retrained outputs; `reference` are two retrained populations."""
    # Only now: compiler and scipy take 150 MB, which workers may need while populations are made.
    from evaluation.attacks import second_opinions
    from evaluation.metric import measures
    from evaluation.metric.controls import controls

    with timed(seconds, "metric"):
        scores = measures.scores(unlearned, retrained, reference, original, config.cores)
    with timed(seconds, "intervals"):
        if config.no_intervals:
            intervals = measures.no_intervals("--no-intervals")
        else:
            intervals = measures.score_intervals(unlearned, retrained, reference, scores, config.cores)
    with timed(seconds, "controls"):
        controlled = controls(unlearned, retrained, reference, original, unlearned.originals)
    with timed(seconds, "attacks"):
        opinions = second_opinions(unlearned, retrained, reference)
    return scores, intervals, controlled, {name: assembly.opinion(found) for name, found in opinions.items()}


def _export(made: Experiment, folder: Path, approach: str) -> None:
    """Write logits and accuracies of the unlearned and the retrained models."""

    def accuracy(arrays: Arrays) -> Arrays:
        return {split: arrays[f"accuracy_{split}"] for split in SPLITS}

    unlearned, retrained = made.arrays("unlearned"), made.arrays("retrained")
    external.write_folder(
        folder,
        approach,
        retrained["labels_forget"],
        unlearned["logits_forget"],
        retrained["logits_forget"],
        accuracy(unlearned),
        accuracy(retrained),
    )
