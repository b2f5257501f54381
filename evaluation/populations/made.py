"""What a worker that runs a stranger's code gives, as types: raw numbers of known shapes, of which others read only numbers.

Of a network that is the task's with other weights, these are the weights: a worker that runs no solution builds the network
with them, and computes the outputs. Of any other they are the logits, computed where the network was made, because it may
consist of the stranger's code. A network that a solution's own trainer made, for unlearning to start from, is sent whole, as a
pickle, which only workers that run the same solution read.
"""

from msgspec import Struct

from starting_kit.files import Arrays

BY_ROUNDING = 1e-3  # the most by which logits differ for no other reason, relative to their size
Start = dict[int, Arrays]  # weights of original models by their numbers, which are given to who may not read them


class Parcel(Struct, frozen=True):
    """A model as raw numbers.

    Attributes:
        weights: the tensors of the task's network, one after another, in their order in its `state_dict`; empty for any other.
        layouts: whether each of them lies in memory with its channels last; rounding depends on it.
        logits: where there are no weights, float32, [examples, classes], of each split.
        whole: the pickled network, where it is kept whole.
    """

    weights: bytes = b""
    layouts: tuple[bool, ...] = ()
    logits: dict[str, bytes] = {}
    whole: bytes = b""


class Made(Struct, frozen=True):
    """What a run of a solution gives.

    Attributes:
        models: in the order in which they were asked for.
        remarks: what the user should know of them, in sentences.
    """

    models: list[Parcel]
    remarks: list[str]


class Probe(Struct, frozen=True):
    """What confines a worker, as seen from inside.

    Attributes:
        sandbox: what is meant to: "landlock 7 + seccomp", or "none" with a reason.
        reached: what can be done all the same and should not, in words.
    """

    sandbox: str
    reached: list[str]


class FailedRun(Struct, frozen=True):
    """A model that a solution has not made, or that cannot be used.

    Attributes:
        model: its number.
        reason: half a sentence.
    """

    model: int
    reason: str
