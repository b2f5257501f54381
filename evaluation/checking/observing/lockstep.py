"""Whether a solution may run for several models at once."""

from evaluation.checking.observed import Lockstep
from evaluation.checking.subject import Subject
from evaluation.metric.measured import Measured
from evaluation.populations import materials
from evaluation.scoring.plan import must_be_alone
from starting_kit.lockstep import proof
from starting_kit.streams import printed


def observe(subject: Subject) -> Lockstep:
    """Try it.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
    """
    solution, original, data = subject.solution(), subject.population("original"), materials.load_data(subject.task)
    reason = must_be_alone(original, solution)
    if reason is None:
        net = materials.original_model(original)
        with printed():
            reason = proof.objection(solution, net, original.task, data, subject.batches, subject.data_free)
    return Lockstep(Measured(reason=reason) if reason else Measured(original.task.unlearned_at_once))
