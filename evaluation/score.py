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
    python evaluation/score.py --solution finetune --report report.html
    python evaluation/score.py --solution my_solution.py --stop-when-clear --against finetune
    python evaluation/score.py --retrained retrained.npz --unlearned unlearned.npz --json scorecard.json
    python evaluation/score.py --populations published_logits/

Exit codes: 0 done; 1 the work failed (the solution raised); 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console

from evaluation import options
from evaluation.reports import summary
from evaluation.reports.console import ConsoleReporter
from evaluation.scoring import Scored, score_folder, score_in_full
from evaluation.scoring.config import FolderConfig, SequentialConfig, data_folder
from evaluation.scoring.scorecard import DEFAULT_MODELS, Scorecard
from evaluation.shell import run_command
from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.files import write_bytes


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    given = options.parse(arguments, __doc__)
    return run_command(lambda: show_tasks(given) if given.list_tasks else show_scores(given), given.debug)


def show_tasks(given: argparse.Namespace) -> None:
    """Print which tasks there are, and what they need."""
    summary.show_tasks(tasks.every(getattr(given, "data", data_folder())), Console(highlight=False))


def show_scores(given: argparse.Namespace) -> None:
    """Print each scorecard when it is finished, and the verdict of a comparison; write a report if it is wanted.

    Raises:
        InputError: options that contradict each other.
    """
    config, reporter = options.config(given), ConsoleReporter()
    report: Path | None = getattr(given, "report", None)
    if report and isinstance(config, FolderConfig | SequentialConfig):
        raise InputError(
            "--report is for one score: give --solution without --stop-when-clear, or --retrained and --unlearned."
        )
    if isinstance(config, SequentialConfig):
        show_comparison(config, reporter)
    elif isinstance(config, FolderConfig):
        for card in score_folder(config, reporter):
            show(card, reporter)
    else:
        scored = score_in_full(config, reporter)
        show(scored.card, reporter)
        if report:
            write_report(scored, report, config.cores, reporter)


def write_report(scored: Scored, file: Path, workers: int, reporter: ConsoleReporter) -> None:
    """Write a page about a score.

    Raises:
        RunError: the file cannot be written.
    """
    from evaluation.reports import report  # templates and pictures take a tenth of a second to import

    with reporter.waiting("Finding out where the score is lost"):
        page = report.page(scored, workers)
    write_bytes(file, page.encode())
    print(f"report: {file}")


def show_comparison(config: SequentialConfig, reporter: ConsoleReporter) -> None:
    """Print the scorecard of a solution that is compared with another, and the verdict."""
    # Only now, as in `scoring.scorer.measure`: they load compiler and scipy.
    from evaluation.reports.sequential import verdict
    from evaluation.scoring.sequential import score_until_clear

    outcome = score_until_clear(config, reporter)
    show(outcome.card, reporter)
    print(verdict(outcome))


def show(card: Scorecard, reporter: ConsoleReporter) -> None:
    """Print a scorecard, and where it is."""
    from evaluation.reports import verdict  # compares it with others, for which it loads what scoring has loaded by now

    summary.show(card, Console(highlight=False))
    if card.models != DEFAULT_MODELS:
        reporter.notice(
            f"a score from {card.models} models cannot be compared with one from {DEFAULT_MODELS}, as in the competition "
            "and the leaderboard: the fewer, the higher it is, as long as models can be told apart."
        )
    if said := verdict.sentence(card):
        print(f"{said} See docs/statistics.md.")
    if card.path:
        print(f"scorecard: {card.path}")


if __name__ == "__main__":
    sys.exit(main())
