"""Whether a solution may run in lockstep: tried, not believed.

Three models are unlearned both ways, one after another and as one, in float64, where rounding can neither hide a difference
nor feign one. Three different models: with weights, labels and seeds of their own, the labels of one right, of one half wrong,
of one all wrong, so that their losses and gradients lie far apart. A decision that is taken for all of them together, like
stopping at a pooled loss or clipping a pooled gradient, then differs from what each would have decided alone. Some decisions
fall the same way for all three by chance, so what is drawn once for all is not allowed either, nor are numbers read off tensors
unless they may as well be wrong. In the end as many models are unlearned together as when it counts, one of them far off the
others, which must not notice: limits on pooled gradients and on batch sizes that three models keep are exceeded then.

Only weights and buffers come back from lockstep. A solution that changes anything else of a network cannot run in it
(`starting_kit.lockstep.structure`).
"""

import contextlib
import copy
import time
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import DataWithheldError, RunError
from starting_kit.generators import fingerprint, random_state_restored
from starting_kit.lockstep.own_generators import seeds_of_own_generators
from starting_kit.lockstep.readings import falsified, readings
from starting_kit.lockstep.stacking import NotStackableError, check_stackable
from starting_kit.lockstep.structure import difference, structure
from starting_kit.runner import call, call_in_lockstep, start_afresh
from starting_kit.tasks.data import SPLITS, Data
from starting_kit.tasks.task import Task
from starting_kit.time_limit import TimeUpError, time_limit

TOLERANCE = 1e-8  # on weights, in float64; rounding alone stays near 1e-13
TOLERANCE_OF_OUTPUTS = 1e-6  # relative to the outputs: a difference of the weights may grow on its way through the network
SEEDS = (1, 2, 3)
WRONG_LABELS = (0.0, 0.5, 1.0)  # share of each model's labels
PERTURBATION = 0.1  # of the weights of the model whose labels are all wrong, relative; of the others accordingly
FAR_OFF = 100.0  # times the weights of one model; its gradients become as much larger
BATCHES_PER_LOADER = 8.5  # at most: the last batch of an epoch is smaller than the others
BATCHES_IN_COMPANY = 2.5  # where many models are unlearned; how many there are counts then, not for how long
PATIENCE = 20  # times the first model's time, for what need not end on wrong labels
LEAST_PATIENCE = 60.0  # seconds
RANDOM_FALSIFICATIONS = 5  # of the numbers that a solution reads: a choice between two falls as before in half of them


def objection(
    solution: Solution, net: nn.Module, task: Task, data: Data, batches: BatchFormat, data_free: bool = False
) -> str | None:
    """Why a solution cannot run in lockstep, as half a sentence; None if it can.

    The state of the global random generators is restored.

    Args:
        solution: with its hyper-parameters.
        net: the original model.
        task: gives the loaders' batch size.
        data: of the task.
        batches: what the loaders yield.
        data_free: give the solution loaders that hold no data.

    Raises:
        DataWithheldError: it reads data that it is not given.
    """
    try:
        check_stackable(net)
    except NotStackableError as error:
        return str(error)
    trial = _Trial(solution, net, solution.given(task), data, batches, data_free)
    with random_state_restored():
        try:
            return trial.objection()
        finally:
            start_afresh(seed=0)


class _Trial:
    """Three models, unlearned one after another and as one, in float64 and afresh each time (see `objection`)."""

    def __init__(
        self, solution: Solution, net: nn.Module, task: Task, data: Data, batches: BatchFormat, data_free: bool
    ) -> None:
        self.solution, self.task, self.batches, self.data_free = solution, task, batches, data_free
        self.nets, self.data = _three_models(net), data
        self.sets = self.three_data_sets(BATCHES_PER_LOADER)
        self.structure = structure(self.nets[0])
        self.patience = LEAST_PATIENCE
        self.own_seeds: list[list[Any]] = []  # of generators that the solution makes for each model alone

    def three_data_sets(self, batches: float) -> list[Data]:
        """A data set for each model, of at most so many batches; without data, where only classes are known, all the same."""
        return [self.data] * 3 if self.data_free else _three_data_sets(self.task, self.data, batches)

    def objection(self) -> str | None:
        """Half a sentence, or None."""
        try:
            alone, read_alone = self.one_after_another()
        except DataWithheldError:
            raise
        except (RunError, TimeUpError) as error:
            return f"the trial in float64 failed: {error}"
        for model in alone:
            if change := difference(self.structure, structure(model)):
                return f"it changes {change}, which lockstep does not carry over"
        outputs = self.outputs(alone)
        try:
            together, read, draws_for_all = self.as_one()
        except (RunError, TimeUpError) as error:
            return f"three models at once fail: {error}"
        if _distance(alone, together) > TOLERANCE:
            return "three models at once do not get the weights that each gets alone"
        if not all(map(_agree, outputs, self.outputs(together))):
            return "three models at once do not give the outputs that each gives alone"
        if draws_for_all:
            return "it draws random numbers once for all models, which by chance made no difference to three"
        # A truth may be the same for each by chance; of numbers, it is taken to say that they are not about the models.
        suspect = [
            i
            for i, value in enumerate(read)
            if isinstance(value, bool) or not all(own[i : i + 1] == [value] for own in read_alone)
        ]
        if suspect and not self.is_blind_to(suspect, together):
            return "it decides by numbers about all models together, which by chance made no difference to three"
        return self.objection_in_company(alone)

    def objection_in_company(self, alone: list[nn.Module]) -> str | None:
        """Whether each of many models comes out as alone, whatever becomes of the last.

        Args:
            alone: what each of the three becomes on all of its data, which is what counts if a solution fails on fewer.
        """
        if not self.data_free:
            whole, self.sets = self.sets, self.three_data_sets(BATCHES_IN_COMPANY)
            try:
                alone, _ = self.one_after_another()
            except (RunError, TimeUpError):
                self.sets = whole
        which = [k % len(self.nets) for k in range(self.task.unlearned_at_once)]
        nets = [copy.deepcopy(self.nets[k]) for k in which]
        with torch.no_grad():
            for weight in nets[-1].parameters():
                weight.mul_(FAR_OFF)
        with contextlib.suppress(RunError, TimeUpError):  # the last one may end in infinite weights
            self.in_lockstep(nets, which)
        if _distance([alone[k] for k in which[:-1]], nets[:-1]) > TOLERANCE:
            return f"{len(which)} models at once, one of them far off the others, do not get the weights that each gets alone"
        return None

    def one_after_another(self) -> tuple[list[nn.Module], list[list[Any]]]:
        """Each model unlearned alone, and what was read of each."""
        start = time.monotonic()
        models: list[nn.Module] = []
        read: list[list[Any]] = []
        self.own_seeds = []
        for net, data, seed in zip(self.nets, self.sets, SEEDS, strict=True):
            with time_limit(self.patience if models else None), readings() as own, seeds_of_own_generators() as seeds:
                start_afresh(seed, torch.float64)
                models.append(call(self.solution, copy.deepcopy(net), self.task, data, self.batches, data_free=self.data_free))
            read.append(own)
            self.own_seeds.append(seeds)
            self.patience = max(LEAST_PATIENCE, PATIENCE * (time.monotonic() - start))
        return models, read

    def as_one(self, replace: Callable[[int, Any], Any] | None = None) -> tuple[list[nn.Module], list[Any], bool]:
        """The models unlearned in lockstep, what was read, and whether anything was drawn for all of them at once."""
        nets = copy.deepcopy(self.nets)
        with readings(replace) as read:
            draws_for_all = self.in_lockstep(nets, range(len(nets)))
        return nets, read, draws_for_all

    def in_lockstep(self, nets: list[nn.Module], which: Sequence[int]) -> bool:
        """Unlearn models of the trial as one, and say whether anything was drawn for all of them at once.

        Args:
            nets: become the unlearned ones.
            which: the number of each, which gives data and seed.
        """
        data, seeds = [self.sets[k] for k in which], [SEEDS[k] for k in which]
        with time_limit(self.patience), seeds_of_own_generators() as own_seeds:
            start_afresh(SEEDS[0], torch.float64)
            untouched = fingerprint()  # of generators that are no member's: a coin for all may fall the same way for each
            call_in_lockstep(self.solution, nets, self.task, data, self.batches, seeds, self.data_free)
        # In the first call libraries are imported, which may draw, too.
        return fingerprint() != untouched or any(alone != own_seeds for alone in self.own_seeds[1:])

    def outputs(self, models: list[nn.Module]) -> list[Tensor]:
        """Of each model, on one batch of its images."""
        images = [torch.from_numpy(data.images[: self.task.loader_batch_size]).double() for data in self.sets]
        with torch.no_grad():
            return [model.eval()(own) for model, own in zip(models, images, strict=True)]

    def is_blind_to(self, suspect: Container[int], expected: list[nn.Module]) -> bool:
        """Whether the models come out as expected when readings, named by number, are wrong."""
        rng = np.random.default_rng(0)
        factors: list[Callable[[], float]] = [lambda: 1e9, lambda: -1e9]
        factors += [lambda: float(rng.choice([-1, 1]) * 10 ** rng.uniform(-3, 3))] * RANDOM_FALSIFICATIONS
        for factor in factors:
            try:
                misled, _, draws_for_all = self.as_one(partial(_replace, suspect, factor))
            except (RunError, TimeUpError):
                return False
            if draws_for_all or _distance(expected, misled) > 0:
                return False
        return True


def _three_models(net: nn.Module) -> list[nn.Module]:
    generator = torch.Generator().manual_seed(0)
    models = []
    for share in WRONG_LABELS:
        model = copy.deepcopy(net).double()
        with torch.no_grad():
            for weight in model.parameters():
                noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
                weight.mul_(1 + share * PERTURBATION * noise)
        models.append(model)
    return models


def _three_data_sets(task: Task, data: Data, batches: float) -> list[Data]:
    """The first examples of each split, with no, half and all labels wrong, in float64."""
    rng = np.random.default_rng(0)
    most = int(batches * task.loader_batch_size)
    few = {split: getattr(data, split)[:most] for split in SPLITS}
    used = np.unique(np.concatenate(list(few.values())))
    parts = {split: np.searchsorted(used, ids) for split, ids in few.items()}
    images, true = data.images[used].astype(np.float64), data.labels[used]
    sets = []
    for share in WRONG_LABELS:
        labels = true.copy()
        wrong = rng.random(len(labels)) < share
        labels[wrong] = (labels[wrong] + rng.integers(1, task.classes, wrong.sum())) % task.classes
        sets.append(Data(images, labels, **parts))
    return sets


def _distance(alone: list[nn.Module], together: list[nn.Module]) -> float:
    """The largest difference between any two weights or statistics; infinite between different architectures."""
    largest = 0.0
    for one, other in zip(alone, together, strict=True):
        states = one.state_dict(), other.state_dict()
        if states[0].keys() != states[1].keys():
            return float("inf")
        for name, tensor in states[0].items():
            if tensor.numel():
                largest = max(largest, (tensor.double() - states[1][name].double()).abs().max().item())
    return largest


def _agree(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, TOLERANCE_OF_OUTPUTS, TOLERANCE_OF_OUTPUTS, equal_nan=True)


def _replace(suspect: Container[int], factor: Callable[[], float], i: int, value: Any) -> Any:
    return falsified(value, factor) if i in suspect else value
