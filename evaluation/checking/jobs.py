"""What the processes of a check do, as functions: they need PyTorch, which the command does not load."""

from evaluation.checking import observed
from evaluation.checking.subject import Subject
from starting_kit.tasks.task import Task


def digest(task: Task) -> str:
    """See `trying.look_at_data`."""
    from evaluation.populations import trying

    return trying.look_at_data(task)[0]


def text(subject: Subject) -> observed.Text:
    """See `observing`."""
    from evaluation.checking.observing import text

    return text.observe(subject)


def original(subject: Subject) -> int:
    """See `observing`."""
    from evaluation.checking.observing import populations

    return populations.make(subject, "original")


def dry_calls(subject: Subject) -> observed.DryCalls:
    """See `observing`."""
    from evaluation.checking.observing import batches

    return batches.observe(subject)


def call(subject: Subject) -> observed.Call:
    """See `observing`."""
    from evaluation.checking.observing import call

    return call.observe(subject)


def other_seed(subject: Subject) -> str:
    """See `observing`."""
    from evaluation.checking.observing import call

    return call.of_other_seed(subject)


def again(subject: Subject) -> observed.Again:
    """See `observing`."""
    from evaluation.checking.observing import again

    return again.observe(subject)


def reach(subject: Subject) -> observed.Reach:
    """See `observing`."""
    from evaluation.checking.observing import reach

    return reach.observe(subject)


def runs(subject: Subject, seconds: float) -> observed.Runs:
    """See `observing`."""
    from evaluation.checking.observing import populations

    return populations.runs(subject, seconds)


def retrained(subject: Subject) -> observed.Runs:
    """See `observing`."""
    from evaluation.checking.observing import populations

    return populations.retrained(subject)


def time_unlearning(subject: Subject, seconds: float) -> list[float]:
    """See `observing`."""
    from evaluation.checking.observing import cost

    return cost.unlearning(subject, seconds)


def time_retraining(subject: Subject) -> list[float]:
    """See `observing`."""
    from evaluation.checking.observing import cost

    return cost.retraining(subject)


def kaggle(subject: Subject) -> observed.Kaggle:
    """See `observing`."""
    from evaluation.checking.observing import kaggle

    return kaggle.observe(subject)


def lockstep(subject: Subject) -> observed.Lockstep:
    """See `observing`."""
    from evaluation.checking.observing import lockstep

    return lockstep.observe(subject)
