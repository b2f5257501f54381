"""Examinations of a student on made-up images, by which GKT stops early."""

import copy
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from solutions.parts.gated_transfer import Gate, Settings
from solutions.parts.image_generator import draw_noise

MAX_RELEARNT = 0.01  # of images that the teacher takes for a forget class
MARKED = 0.005  # how much more often a clearly better student agrees
PROBES = 4  # examinations whose images are kept


@dataclass(frozen=True)
class Probe:
    """Generated images that students are examined on, and what the teacher makes of them.

    Attributes:
        images: [images, channels, height, width].
        answers: the class that a student is to predict, [images].
        passes: whether an image passes the gate, [images].
        forgotten: whether the teacher takes it for a forget class, [images].
    """

    images: Tensor
    answers: Tensor
    passes: Tensor
    forgotten: Tensor


@torch.no_grad()
def probe(generator: nn.Module, gate: Gate, number: int) -> Probe:
    """Freshly generated images, and what the teacher makes of them."""
    images = gate.spec.pixels(generator(draw_noise(generator, number)))
    logits = gate.teacher(images)
    return Probe(images, gate.targets(logits).argmax(dim=1), gate.passes(logits), gate.is_forgotten(logits.argmax(dim=1)))


@torch.no_grad()
def examine(student: nn.Module, probes: Iterable[Probe], gate: Gate) -> tuple[float, float]:
    """How a student does on some images.

    Returns:
        The share of images that pass the gate for which it predicts what it is to learn, and the share of images that the
        teacher takes for a forget class for which it predicts one too, 0 if there are none.
    """
    student.eval()
    agrees, relearnt = [], []
    for images in probes:
        predicted = student(images.images).argmax(dim=1)
        agrees.append((predicted == images.answers)[images.passes])
        relearnt.append(gate.is_forgotten(predicted)[images.forgotten])
    student.train()
    agreement, again = (torch.cat(found).double().mean().nan_to_num(0).item() for found in (agrees, relearnt))
    return agreement, again


class Examiner:
    """Keeps the best student, and says when to stop.

    Generated images change, and so does how hard they are: students are compared on the same ones, of several examinations.

    Args:
        student: before it has learnt anything.
        gate: of its teacher.
        settings: of GKT.
    """

    def __init__(self, student: nn.Module, gate: Gate, settings: Settings) -> None:
        self.gate, self.settings = gate, settings
        self.best, self.since = copy.deepcopy(student), 0
        self.probes: deque[Probe] = deque(maxlen=PROBES)

    def agreement(self, student: nn.Module, fresh: Probe) -> float | None:
        """How often a student agrees with the teacher on the last probes; None when training should end."""
        self.probes.append(fresh)
        agreement, relearnt = examine(student, self.probes, self.gate)
        if relearnt > MAX_RELEARNT:
            return None
        self.since += 1
        lead = agreement - examine(self.best, self.probes, self.gate)[0]
        if lead > 0:
            self.best = copy.deepcopy(student)
        if lead > MARKED:
            self.since = 0
        return agreement if self.since < self.settings.patience else None
