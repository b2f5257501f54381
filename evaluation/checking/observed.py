"""What is observed of a solution, as types: a worker that has run it sends them as JSON, never as a pickle."""

from msgspec import Struct

from evaluation.metric.measured import Measured


class Place(Struct, frozen=True):
    """A line of a file.

    Attributes:
        line: its number.
        text: of what is meant there.
    """

    line: int
    text: str


class Text(Struct, frozen=True):
    """A solution as it stands in its file.

    Attributes:
        fault: why it cannot be used; empty if it can.
        signature: of `unlearning`; empty if it could not be loaded.
        hyperparameters: names.
        trains: whether it brings its own trainer.
        seeds: where `unlearning` fixes random numbers.
        seeds_at_top: where the file does it when it is loaded.
        kept: where calls change what they read again.
    """

    fault: str
    signature: str = ""
    hyperparameters: list[str] = []
    trains: bool = False
    seeds: list[Place] = []
    seeds_at_top: list[Place] = []
    kept: list[Place] = []


class DryCalls(Struct, frozen=True):
    """How calls with the two kinds of batches begin.

    Attributes:
        declared: what `BATCHES` says; None where there is none.
        tuple, dict: the error of the call with such batches; empty if it had none.
        chosen: the kind that it gets; None if it reads neither.
    """

    declared: str | None
    tuple: str
    dict: str
    chosen: str | None


class Call(Struct, frozen=True):
    """One whole call, what it gave, and what it left of the network.

    Attributes:
        seconds: that it took.
        returned: "nothing", "the network it was given", "another network", or the name of a type that is no network.
        wrapped: the name of the class around the network; empty if there is none.
        moved: share of the weights that have other values, in [0, 1].
        distance: of the weights from where they were, relative to their norm.
        not_finite: names of weights and buffers with NaN or infinity.
        checkpoint: how names and shapes of weights differ from those of the original model; empty if they do not.
        structure: what else of the network differs, which a checkpoint does not hold; empty if nothing does.
        types: how types and devices of weights differ; empty if they do not.
        hooks: what it left behind, in words.
        requires_grad: names of weights that are frozen now and were not, or the other way round.
        fault_of_outputs: why there are no logits; empty if there are.
        by_batch: the largest difference between an image's logits in a batch and alone, relative to their size.
        by_call: the same between two calls with the same batch.
        data: what of the data has changed, in words.
        digest: of the weights.
    """

    seconds: float
    returned: str
    wrapped: str
    moved: float
    distance: float
    not_finite: list[str]
    checkpoint: str
    structure: str
    types: str
    hooks: list[str]
    requires_grad: list[str]
    fault_of_outputs: str
    by_batch: float
    by_call: float
    data: list[str]
    digest: str


class Again(Struct, frozen=True):
    """Two more calls with the first seed, in another process: of a fresh load, and of the same function again.

    Attributes:
        digest: of the weights after the first of them.
        of_second: after the second.
        state: what the second call left changed in its process, in words.
        replaced: functions of libraries that were replaced.
    """

    digest: str
    of_second: str
    state: list[str]
    replaced: list[str]


class Reach(Struct, frozen=True):
    """What a call touches besides its network and data, as far as Python sees it.

    Attributes:
        read: files elsewhere than in Python, packages, the solution's folder and its own.
        written: files elsewhere than in its own folder.
        kept: files that it wrote into its own folder.
        connected: addresses.
        started: programs.
    """

    read: list[str]
    written: list[str]
    kept: list[str]
    connected: list[str]
    started: list[str]


class Runs(Struct, frozen=True):
    """Several models from one original model; of retrained models, so many of those.

    Attributes:
        wanted: how many there should be.
        forget: confidences on the forget examples, [models][examples].
        retain_accuracy, test_accuracy: [models].
    """

    wanted: int
    forget: list[list[float]]
    retain_accuracy: list[float]
    test_accuracy: list[float]


class Kaggle(Struct, frozen=True):
    """What a notebook of the competition would miss.

    Attributes:
        missing: modules that Kaggle's image is not known to have.
        files: beside the solution, which the notebook does not bring.
        unwritable: a hyper-parameter that cannot be written into a notebook; empty if there is none.
        trains: whether the solution unlearns only what its own trainer makes.
        fault: why it would fail on a GPU there; empty if it would not.
        moves: whether the notebook's loaders must bring batches to the GPU.
    """

    missing: list[str]
    files: list[str]
    unwritable: str
    trains: bool
    fault: str
    moves: bool


class Lockstep(Struct, frozen=True):
    """Whether it may run for several models at once; the value is how many, the reason why not."""

    at_once: Measured[int]
