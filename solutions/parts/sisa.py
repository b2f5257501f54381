"""SISA: sharded, isolated, sliced, aggregated training, from which examples can be taken back exactly.

The training data are cut into shards, and a network is trained on each (isolated: an example influences one of them). A shard
is cut into slices, and its network is trained in stages: on slice 0, then further on slices 0 and 1, and so on; the network is
kept after each stage. To take examples back, the shards that hold some are trained again, from the stage before the first slice
that held one; the rest never saw them. The networks vote.

Exact: a stage is a function of the network before it, the examples of its slices and its seed, and which shard and slice an
example belongs to was drawn once and stays. So with the seeds of the training, the ensemble after `forget` is bit for bit the
one that `train` makes without those examples.

Source: Bourtoule et al. 2021, "Machine Unlearning", https://arxiv.org/abs/1912.03817. The authors' code (`sisa.py` of
cleverhans-lab/machine-unlearning) rounds the epochs of all stages so far, so that 20 epochs and 5 slices are 6, 7, 7, 6 and 7;
here every stage has 7. Its SGD has no momentum, so that a fresh optimiser for each stage, as here, changes nothing there.
"""

import copy
import dataclasses
import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starting_kit.networks import build
from starting_kit.tasks.data import Data, Ids
from starting_kit.tasks.task import Task
from starting_kit.training import train_further

FEWEST = 2  # examples to train a network on: batch-norm cannot take the deviation of one


class Sisa(nn.Module):
    """An ensemble trained by `train`. Its weights are those of all stages: what `forget` goes back to is part of the model.

    Attributes:
        task: gives network and recipe.
        seed: from which assignment and training derived.
        examples: for each shard, for each slice, the ids of the examples that it holds.
        stages: for each shard the network after each slice; the last one votes.
    """

    def __init__(self, task: Task, seed: int, examples: list[list[Ids]]) -> None:
        super().__init__()
        self.task, self.seed, self.examples = task, seed, examples
        self.stages = nn.ModuleList(nn.ModuleList() for _ in examples)

    def forward(self, images: Tensor) -> Tensor:
        """Logarithms of probabilities, [batch, classes]: of the shards' votes (`vote`)."""
        return vote(torch.stack([network(images).log_softmax(dim=1) for network in self.voters()]))

    def voters(self) -> list[nn.Module]:
        """The networks that vote: those of shards that have something to train on."""
        shards = zip(self.stages, self.examples, strict=True)
        return [stages[-1] for stages, slices in shards if _enough(np.concatenate(slices))]  # type: ignore[index]

    @property
    def shape(self) -> tuple[int, int]:
        """How many shards, and slices of each."""
        return len(self.examples), len(self.examples[0])

    def storage(self) -> int:
        """Bytes that the ensemble takes: the networks after every stage, and which examples are where."""
        weights: int = sum(tensor.nbytes for tensor in self.state_dict().values())
        return weights + sum(ids.nbytes for slices in self.examples for ids in slices)

    def forget(self, ids: Ids, images: Tensor, labels: Tensor, seed: int | None = None) -> list[int]:
        """Become an ensemble that has never seen some examples.

        Args:
            ids: of the examples; those that it has not seen either way change nothing.
            images: of all examples of the task, [examples, channels, height, width]; the remaining ones are used.
            labels: of the same, [examples].
            seed: of the stages that are trained again; the ensemble's own if it is not given, and then the outcome is bit for
                bit that of training without the examples.

        Returns:
            For each shard, how many stages were trained again.

        Raises:
            ValueError: nothing would be left that can be trained on; the ensemble is as it was.
        """
        left = [[own[~np.isin(own, ids)] for own in slices] for slices in self.examples]
        _require_some(left)
        counts = []
        for shard, slices in enumerate(left):
            hit = [len(new) < len(old) for new, old in zip(slices, self.examples[shard], strict=True)]
            first = hit.index(True) if any(hit) else len(hit)
            self.examples[shard] = slices
            if first < len(hit):
                self.train_shard(shard, first, images, labels, self.seed if seed is None else seed)
            counts.append(len(hit) - first)
        return counts

    def train_shard(self, shard: int, first: int, images: Tensor, labels: Tensor, seed: int) -> None:
        """Train a shard's stages from a slice on, each from the network of the stage before.

        Args:
            shard: which.
            first: number of the slice.
            images: of all examples of the task, [examples, channels, height, width].
            labels: of the same, [examples].
            seed: of the stages.
        """
        slices = self.examples[shard]
        stages: list[nn.Module] = list(self.stages[shard].children())[:first]
        epochs = epochs_per_slice(self.task.recipe.epochs, len(slices))
        task = dataclasses.replace(self.task, recipe=dataclasses.replace(self.task.recipe, epochs=epochs))
        for number in range(first, len(slices)):
            own_seed = stage_seed(seed, shard, number)
            network = copy.deepcopy(stages[-1]) if stages else build(task, own_seed)
            seen = np.concatenate(slices[: number + 1])
            if _enough(seen):
                train_further(task, network, images, labels, torch.from_numpy(seen), own_seed)
            stages.append(network.eval())
        self.stages[shard] = nn.ModuleList(stages).eval()


def train(task: Task, seed: int, data: Data, examples: Ids, shards: int, slices: int) -> Sisa:
    """Train an ensemble.

    Args:
        task: gives network and recipe.
        seed: of everything that is drawn at random.
        data: of the task; the examples of its training set are assigned to shards and slices, whichever of them are trained on.
        examples: ids of those to train on.
        shards: how many.
        slices: of each shard.

    Raises:
        ValueError: too many shards or slices for so few examples.
    """
    assigned = assign(data.training, shards, slices, seed)
    ensemble = Sisa(task, seed, [[ids[np.isin(ids, examples)] for ids in own] for own in assigned])
    _require_some(ensemble.examples)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    for shard in range(shards):
        ensemble.train_shard(shard, 0, images, labels, seed)
    return ensemble.eval()


def assign(ids: Ids, shards: int, slices: int, seed: int) -> list[list[Ids]]:
    """The ids of each shard's slices, at random and as equal in number as can be.

    Args:
        ids: of all training examples there were when the ensemble was planned, in any order.
        shards: how many.
        slices: of each shard.
        seed: decides, with the ids, who belongs where.

    Raises:
        ValueError: there is not one example for each slice.
    """
    if not 1 <= shards * slices <= len(ids) or shards < 1:
        raise ValueError(f"{len(ids)} examples cannot be cut into {shards} shards of {slices} slices; take fewer of them")
    order = np.random.default_rng(seed).permutation(np.sort(ids))
    return [list(np.array_split(shard, slices)) for shard in np.array_split(order, shards)]


def epochs_per_slice(epochs: int, slices: int) -> int:
    """Epochs of each stage, 2e/(R + 1) to the nearest whole number but at least one.

    With R equal slices a shard's stages see 1/R, 2/R, ... of its examples, so that together they take the steps of e epochs.

    >>> epochs_per_slice(20, 1), epochs_per_slice(20, 5), epochs_per_slice(20, 50)
    (20, 7, 1)
    """
    return max(1, round(2 * epochs / (slices + 1)))


def stage_seed(seed: int, shard: int, number: int) -> int:
    """The seed of a shard's stage, in [0, 2**63); the first stage's is that of the network's initial weights as well."""
    digest = hashlib.sha256(f"SISA {seed} {shard} {number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def vote(log_probabilities: Tensor) -> Tensor:
    """The majority vote as a distribution: ln((votes + mean probability) / (voters + 1)).

    The paper counts votes, one for each network and of equal weight. Their share alone would be zero for most classes, and the
    logarithm infinite; so the mean of the networks' probabilities is counted as one more voter, whose vote is divided. It
    never overrules a majority, because no class gets the whole of it; where several classes have equally many votes it decides.

    Args:
        log_probabilities: [voters, batch, classes].

    Returns:
        [batch, classes].
    """
    voters, _, classes = log_probabilities.shape
    votes = F.one_hot(log_probabilities.argmax(dim=2), classes).sum(dim=0).to(log_probabilities.dtype)
    mean = log_probabilities.logsumexp(dim=0) - math.log(voters)
    return torch.logaddexp(votes.log(), mean) - math.log(voters + 1)


def _enough(ids: Ids) -> bool:
    return len(ids) >= FEWEST


def _require_some(examples: Sequence[Sequence[Ids]]) -> None:
    if not any(_enough(np.concatenate(slices)) for slices in examples):
        raise ValueError(f"no shard has {FEWEST} examples left to train on, so there is no model without the others")
