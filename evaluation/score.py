"""Score an unlearning algorithm as the NeurIPS 2023 Machine Unlearning challenge did.

A solution is run N times on a trained network, N networks are trained without the forget set, and for each forget example
an attacker tries to tell the two populations apart by its confidence. The score is the forgetting quality times how much
accuracy was kept. It goes to results/<task>/<solution>.json; what was computed goes to runs/ and is used again.

Populations may also be brought from elsewhere, as .npz files (`logits` [models, examples, classes] with `labels` [examples], or
`confidences` [models, examples]; optionally `retain_accuracy`, `test_accuracy` [models]) or in a folder of the layout that
--export writes. Then nothing is trained.

    python evaluation/score.py --solution scl_improved
    python evaluation/score.py --solution my_solution.py --models 64
    python evaluation/score.py --solution my_notebook.ipynb --define test=False
    python evaluation/score.py --solution finetune --set epochs=3 --set learning_rate=0.01
    python evaluation/score.py --retrained retrained.npz --unlearned unlearned.npz --json scorecard.json
    python evaluation/score.py --populations published_logits/

Exit codes: 0 done; 1 the work failed (the solution raised); 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.metric.outputs import Outputs
from evaluation.options import check, cores, find_solution, find_task, parse
from evaluation.populations.shards import load_arrays
from evaluation.reports import console
from evaluation.scoring import experiment, external, scorecard
from evaluation.scoring.experiment import Experiment, timed
from evaluation.scoring.scorecard import Scorecard
from evaluation.tuning import tuned
from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.files import Arrays, require_writable, write_bytes, write_json
from starting_kit.tasks.data import SPLITS


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    options = parse(arguments, __doc__)
    return console.run_command(lambda: show_tasks(options) if options.list_tasks else show_scores(options), options.debug)


def show_tasks(options: argparse.Namespace) -> None:
    """Print which tasks there are, and what they need."""
    console.list_of_tasks(tasks.every(options.data), console.Console(highlight=False))


def show_scores(options: argparse.Namespace) -> None:
    """Print each scorecard when it is finished (errors as for `score`)."""
    for card, path in score(options):
        console.summary(card, console.Console(highlight=False))
        if path:
            print(f"scorecard: {path}")


def score(options: argparse.Namespace) -> Iterator[tuple[Scorecard, Path | None]]:
    """Scorecards, one after the other, each with the path of its file in the folder of results if it has one.

    Raises:
        InputError: an option, the solution or a file is wrong.
        RunError: the solution failed, or a file cannot be written; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    check(options)
    if options.solution:
        yield score_solution(options)
    elif options.populations:
        yield from score_folder(options)
    else:
        yield score_pair(options)


def score_solution(options: argparse.Namespace) -> tuple[Scorecard, Path]:
    """Make the populations that are missing, compare them, write the scorecard (errors as for `score`)."""
    task = find_task(options)
    require_writable(options.runs, "--runs")
    path = find_solution(options, task)
    require_writable(options.results / task.name, "--results")
    seconds: dict[str, float] = {}
    entry = tuned.read(path, task)
    if options.hyperparameters == "tuned" and entry is None:
        what = f"version {task.version} of {task.name}"
        if task.changed:
            raise InputError(f"{path.stem} is not tuned for {what} with another {' and another '.join(task.changed)}.")
        raise InputError(
            f"{path.stem} is not tuned for {what}; "
            f"run python evaluation/tune.py --solution {options.solution} --task {task.name}."
        )
    values = entry["values"] if entry and options.hyperparameters != "published" else None
    made = experiment.run(options, task, path, values, cores(options), seconds)
    with console.messages.status("Comparing the populations"):
        outputs = made.outputs()
        populations = outputs["unlearned"], outputs["retrained"]
        reference = outputs["second_retrained"], outputs["retrained"]
        measured = measure(options, populations, reference, outputs["original"], seconds)
        measured |= measure_class_forgetting(made, seconds)
    card = scorecard.of_experiment(made, measured, seconds, cores(options))
    variant = scorecard.variant(made, options.engine, published=options.hyperparameters == "published")
    written = scorecard.write(card, options.results, variant)
    if made.pictures:
        write_bytes(written.with_suffix(".png"), made.pictures)
    if options.json:
        write_json(options.json, card)
    if options.export:
        export(made, options.export, written.stem)
    return card, written


def score_folder(options: argparse.Namespace) -> Iterator[tuple[Scorecard, Path]]:
    """Every approach of a folder of the published layout (errors as for `score`)."""
    folder = options.populations
    require_writable(options.results / folder.resolve().name, "--results")
    for approach in external.approaches(folder):
        pair = external.read_approach(folder, approach)
        card = score_brought(options, pair, folder.resolve().name, approach)
        yield card, scorecard.write(card, options.results, variant="")


def score_pair(options: argparse.Namespace) -> tuple[Scorecard, None]:
    """Two .npz files (errors as for `score`)."""
    pair = external.read_pair(options.retrained, options.unlearned)
    card = score_brought(options, pair, options.retrained.stem, options.unlearned.stem)
    if options.json:
        write_json(options.json, card)
    return card, None


def score_brought(options: argparse.Namespace, pair: external.Pair, task: str, solution: str) -> Scorecard:
    """The scorecard of populations that were brought from elsewhere; the ceiling is that of half of the retrained models.

    Raises:
        InputError: populations that have no score.
    """
    seconds: dict[str, float] = {}
    halves = pair.retrained.halves()
    if halves[0].models < FEWEST_MODELS:
        raise InputError(
            f"{pair.retrained.models} retrained models are too few, at least {2 * FEWEST_MODELS} are needed: what can be hoped "
            "for is measured on their two halves."
        )
    with console.messages.status(f"Comparing {solution} with retrained models"):
        try:
            measured = measure(options, (pair.unlearned, pair.retrained), halves, None, seconds)
        except ValueError as error:
            raise InputError(f"{solution} cannot be scored: {error}.") from error
    return scorecard.of_brought(task, solution, pair, measured, seconds, cores(options))


def measure(
    options: argparse.Namespace,
    populations: tuple[Outputs, Outputs],
    reference: tuple[Outputs, Outputs],
    original: Outputs | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """All that is measured on unlearned and retrained outputs; `reference` are two retrained populations."""
    # Only now: compiler and scipy take 150 MB, which workers may need while populations are made.
    from evaluation.attacks import second_opinions
    from evaluation.metric import measures

    with timed(seconds, "metric"):
        measured = measures.scores(*populations, reference, original, cores(options))
    with timed(seconds, "intervals"):
        if options.no_intervals:
            measured |= measures.no_intervals("--no-intervals")
        else:
            measured |= measures.score_intervals(*populations, measured, cores(options))
    with timed(seconds, "attacks"):
        return {**measured, "attacks": second_opinions(*populations, reference)}


def measure_class_forgetting(made: Experiment, seconds: dict[str, float]) -> dict[str, Any]:
    """What is measured beside the score where a class is to be forgotten."""
    from evaluation.scoring import class_forgetting  # as in `measure`

    with timed(seconds, "class_forgetting"):
        return class_forgetting.fields(made)


def export(made: Experiment, folder: Path, approach: str) -> None:
    """Write logits and accuracies of the unlearned and the retrained models (errors as for `external.write_folder`)."""
    unlearned, retrained = (load_arrays(made.kinds[kind], made.models) for kind in ("unlearned", "retrained"))

    def accuracy(arrays: Arrays) -> Arrays:
        return {split: arrays[f"accuracy_{split}"] for split in SPLITS}

    external.write_folder(
        folder,
        approach,
        retrained["labels_forget"],
        unlearned["logits_forget"],
        retrained["logits_forget"],
        accuracy(unlearned),
        accuracy(retrained),
    )


if __name__ == "__main__":
    sys.exit(main())
