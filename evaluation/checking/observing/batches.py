"""Which batches a solution reads."""

from evaluation.checking.observed import DryCalls
from evaluation.checking.subject import Subject
from evaluation.populations import materials
from starting_kit import dry_calls, runner
from starting_kit.contract import BatchFormat
from starting_kit.dry_calls import Failure
from starting_kit.streams import printed


def observe(subject: Subject) -> DryCalls:
    """Call it with tuples, and with dicts; one that goes on long after it has read a batch is ended, and counts as a success.

    Raises:
        DataWithheldError: it reads data that it is not given.
    """
    solution, task = subject.solution(), subject.task
    data = materials.load_data(task)
    net = materials.original_model(subject.population("original"))

    def failure(batches: BatchFormat) -> Failure | None:
        runner.start_afresh(subject.seed)
        with printed():
            return dry_calls.dry_call(solution, net, task, data, batches, data_free=subject.data_free)

    failures = {batches: failure(batches) for batches in ("tuple", "dict")}
    read = [batches for batches, failed in failures.items() if failed is None]
    said = {batches: "" if failed is None else str(failed.error) for batches, failed in failures.items()}
    chosen = solution.batches or (read[0] if read else None)
    return DryCalls(solution.batches, said["tuple"], said["dict"], chosen)
