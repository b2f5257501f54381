"""What a notebook of the competition made of a solution would miss."""

from evaluation.checking.observed import Kaggle
from evaluation.checking.subject import Subject
from evaluation.scoring import submission_check
from evaluation.scoring.reporter import SILENT
from starting_kit.contract import Solution
from starting_kit.errors import InputError, SolutionError
from starting_kit.kaggle import image, submission
from starting_kit.streams import printed


def observe(subject: Subject) -> Kaggle:
    """Look at what it imports and reads, and call it on a pretended GPU as the competition's."""
    solution = subject.solution()
    fault, moves = ("", False) if solution.trains or subject.data_free else _on_gpu(solution, subject)
    return Kaggle(image.missing(solution), sorted(solution.files), _unwritable(solution), solution.trains, fault, moves)


def _on_gpu(solution: Solution, subject: Subject) -> tuple[str, bool]:
    try:
        with printed():
            return "", submission_check.must_move_batches(solution, subject.batches, SILENT)
    except SolutionError as error:
        return str(error).removesuffix("."), False


def _unwritable(solution: Solution) -> str:
    try:
        submission.require_plain(solution.overrides)
    except InputError as error:
        return str(error).removesuffix(".")
    return ""
