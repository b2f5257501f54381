"""GKT: a fresh network learns from the original one on made-up images, and nothing about the forget classes.

1. Teacher and student: the original network is the teacher; the student has its architecture and new random weights.
2. Generator: normal noise [128] becomes images through a linear layer and two upsamplings with convolutions, batch-norm and
   leaky ReLU; one step on it per pseudo-batch maximises the student's KL divergence from the teacher.
3. Gate: images of which the teacher gives the forget classes a probability above 0.01 are left out, in all steps.
4. Student: 10 steps on the same pseudo-batch minimise the KL divergence, plus
5. attention: 250 times the distance of teacher and student in what they look at, block by block: mean squared differences of
   maps (squared activations, averaged over channels, of length 1).
6. Optimisers: Adam for both, gradients clipped to length 5; the learning rates are halved when the student has done no better
   in three examinations.
7. Early stopping: now and then the student is examined on freshly generated images: how often does it agree with the teacher
   on images that pass the gate, and how often does it take for a forget class what the teacher takes for one? The best student
   that does so for at most 1 % of them is kept. The training ends when it relearns, or has not become better by 0.5 % in 8
   examinations.

No image and no label is read (--data-free): shape, forget classes and scale of the images are what the loaders tell.

What is ours, because the source is silent or meant for larger networks and hours on a GPU. (a) Pseudo-batches of 64 images, a
learning rate of 0.003, examinations every 25 pseudo-batches, at most 400 pseudo-batches; the source has 256, 0.001, 50, 4000.
(b) An image that passes the gate may still be given up to 1 % of a forget class, by which the source's student relearns it in
the end. So the teacher's probabilities of forget classes are taken out and the rest is brought to a sum of 1; `share_forget`
leaves them in, as the source has it. (c) A generator that only looks for disagreement shows few classes at a time, and the
student forgets the others; or it shows nothing that passes the gate, and the student learns nothing. So it also lessens, by
`balance`, what keeps its images from passing (by how much the logarithm of the forget classes' probability exceeds that of
the gate), and the mean over the retain classes of -log of the teacher's mean probability for them: the less a class is shown,
the more it is called for. (The entropy of the mean prediction would not do: it hardly misses a class that is never shown.)
Fewer than 8 images that pass are not learnt from: batch-norm needs some. (d) The student chases a moving target: what is
examined and kept is the running average of its weights, of which each step keeps the share `average`. Students are compared
on the same images, those of the last four examinations. (e) The source's early stopping looks at test images. (f) The
generator's channels are 128 and 64 for a network whose widest convolution has 192 channels, as in the source, and in
proportion for narrower ones. (g) Maps are taken after a ReLU behind each block that keeps places, but for the head. The
smaller a map, the larger its mean squared differences: the weight of attention is for images of 32x32 pixels, and is in
proportion to their number for others.

Family: zero-shot.
Source: Chundawat et al. 2023, "Zero-shot machine unlearning", https://arxiv.org/abs/2201.05629.
Reported: 97.12 % on retain classes, 0 % on the forget class (MNIST, All-CNN, class 0; original 97.84 %, retrained 99.25 %).
Needs: no data; whole classes to be forgotten.
"""

import copy
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader

from solutions.parts.gated_transfer import FEWEST, Gate, Settings, descend, divergence, follow, fresh_copy, study
from solutions.parts.toolbox import Facts, convolutions, facts, frozen_copy

BATCHES = "tuple"
LOCKSTEP = False  # a run takes minutes, and ends when its own student is ready

NOISE = 128  # numbers that an image is made from
PUBLISHED_WIDTH = 192  # of the widest convolution of the source's network, for which its generator is 128 channels wide
LEAST_WIDTH = 16
MOST_RELEARNT = 0.01  # of images that the teacher takes for a forget class
MARKED = 0.005  # by which a student that has become better agrees more often
EXAMINED, PROBES = 256, 4  # generated images of an examination, and of how many examinations they are used
PICTURES_PER_CLASS, PICTURED = 8, 1024  # images drawn, of which the first of each class are shown


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader,
    forget_loader: DataLoader,
    val_loader: DataLoader,
    *,
    pseudo_batches: int = 400,
    batch_size: int = 64,
    student_steps: int = 10,
    learning_rate: float = 3e-3,
    gate: float = 0.01,
    attention_weight: float = 250.0,
    balance: float = 0.05,
    average: float = 0.99,
    share_forget: bool = False,
    examine_every: int = 25,
    patience: int = 8,
) -> None:
    """Put the student's weights into `net`."""
    settings = Settings(
        pseudo_batches=pseudo_batches,
        batch_size=batch_size,
        student_steps=student_steps,
        learning_rate=learning_rate,
        gate=gate,
        attention_weight=attention_weight,
        balance=balance,
        average=average,
        share_forget=share_forget,
        examine_every=examine_every,
        patience=patience,
    )
    become_student(net, retain_loader, forget_loader, settings)


def pictures(
    net: nn.Module, retain_loader: DataLoader, forget_loader: DataLoader, val_loader: DataLoader, **values: Any
) -> Tensor:
    """What the trained generator makes, a row for each class that the teacher takes it for, [classes, 8, *image_shape]."""
    return samples(net, retain_loader, forget_loader, Settings(**values))


def become_student(net: nn.Module, retain_loader: DataLoader, forget_loader: DataLoader, settings: Settings) -> None:
    """Put the weights of a student into a network, its teacher."""
    student, _ = transfer(net, facts(net, retain_loader, forget_loader), settings)
    net.load_state_dict(student.state_dict())
    net.eval()


def transfer(net: nn.Module, known: Facts, settings: Settings) -> tuple[nn.Module, "Generator"]:
    """The best student of a network, and the generator in the end."""
    teacher, student, generator = frozen_copy(net), fresh_copy(net), generator_for(net, known)
    gate = Gate(teacher, known, settings)
    learner, maker = (Adam(part.parameters(), lr=settings.learning_rate) for part in (student, generator))
    schedules = [ReduceLROnPlateau(optimiser, mode="max", factor=0.5, patience=2) for optimiser in (learner, maker)]
    average, examiner = copy.deepcopy(student), Examiner(student, gate, settings)
    for batch in range(1, settings.pseudo_batches + 1):
        noise = draw_noise(generator, settings.batch_size)
        challenge(generator, noise, student, gate, maker)
        with torch.no_grad():
            lesson = gate.lesson(known.pixels(generator(noise)))
        for _ in range(settings.student_steps):
            study(student, lesson, learner, settings)
            follow(average, student, settings.average)
        if batch % settings.examine_every == 0 or batch == settings.pseudo_batches:
            agreement = examiner.agreement(average, probe(generator, gate, EXAMINED))
            if agreement is None:
                break
            for schedule in schedules:
                schedule.step(agreement)
    return examiner.best, generator


# --- the generator


class Generator(nn.Module):
    """Images of mean 0 and deviation 1 from noise.

    Args:
        image_shape: channels, height, width.
        width: its channels; half as many in its last layer.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, *size = image_shape
        half, quarter = ([-(-length // parts) for length in size] for parts in (2, 4))
        self.layers = nn.Sequential(
            nn.Linear(NOISE, width * quarter[0] * quarter[1]),
            nn.Unflatten(1, (width, *quarter)),
            nn.BatchNorm2d(width),
            *upsampled(width, width, half),
            *upsampled(width, width // 2, size),
            nn.Conv2d(width // 2, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Images [batch, channels, height, width] of noise [batch, 128]."""
        return self.layers(noise)


def upsampled(channels_in: int, channels_out: int, size: list[int]) -> list[nn.Module]:
    """Layers that bring images to a size, twice as large."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1)
    return [nn.Upsample(tuple(size)), convolution, nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.2)]


def generator_for(net: nn.Module, known: Facts) -> Generator:
    """A generator in proportion to a network, on its device and in its type."""
    widest = max(layer.out_channels for layer in convolutions(net))
    width = max(LEAST_WIDTH, min(NOISE, round(NOISE * widest / PUBLISHED_WIDTH)))
    return Generator(known.image_shape, width).to(next(net.parameters()))


def draw_noise(generator: nn.Module, number: int) -> Tensor:
    """Noise for a number of images, [number, 128]."""
    weight = next(generator.parameters())
    return torch.randn(number, NOISE, dtype=weight.dtype, device=weight.device)


def challenge(generator: Generator, noise: Tensor, student: nn.Module, gate: Gate, optimiser: Optimizer) -> None:
    """One step of the generator, to images that teacher and student disagree about."""
    images = gate.known.pixels(generator(noise))
    logits = gate.teacher(images)
    passes = gate.passes(logits)
    loss = gate.settings.balance * (gate.excess(logits).mean() - log_shown(logits)[list(gate.known.retain)].mean())
    if passes.sum() >= FEWEST:
        loss = loss - divergence(student(images[passes]), gate.targets(logits[passes]))
    descend(loss, generator, optimiser, gate.settings)


def log_shown(logits: Tensor) -> Tensor:
    """The logarithm of each class's mean probability, [classes], of logits [images, classes]."""
    return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))


# --- early stopping


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
    """That many freshly generated images."""
    images = gate.known.pixels(generator(draw_noise(generator, number)))
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
    """Keeps the best student, and says when there will be no better one.

    Generated images change, and so does how hard they are: students are compared on the same ones, of several examinations.

    Args:
        student: before it has learnt anything.
        gate, settings: as elsewhere.
    """

    def __init__(self, student: nn.Module, gate: Gate, settings: Settings) -> None:
        self.gate, self.settings = gate, settings
        self.best, self.since = copy.deepcopy(student), 0
        self.probes: deque[Probe] = deque(maxlen=PROBES)

    def agreement(self, student: nn.Module, fresh: Probe) -> float | None:
        """How often a student agrees with the teacher on the last probes; None where the training is to end."""
        self.probes.append(fresh)
        agreement, relearnt = examine(student, self.probes, self.gate)
        if relearnt > MOST_RELEARNT:
            return None
        self.since += 1
        lead = agreement - examine(self.best, self.probes, self.gate)[0]
        if lead > 0:
            self.best = copy.deepcopy(student)
        if lead > MARKED:
            self.since = 0
        return agreement if self.since < self.settings.patience else None


# --- pictures


@torch.no_grad()
def samples(net: nn.Module, retain_loader: DataLoader, forget_loader: DataLoader, settings: Settings) -> Tensor:
    """Generated images in pixel values, a row for each class that the teacher takes some for, [classes, 8, *image_shape].

    A row with fewer images is filled up with grey ones.
    """
    known = facts(net, retain_loader, forget_loader)
    with torch.enable_grad():
        _, generator = transfer(net, known, settings)
    images = known.pixels(generator(draw_noise(generator, PICTURED)))  # in train mode, as students saw them
    found = net.eval()(images).argmax(dim=1)
    rows = []
    for label in sorted((*known.retain, *known.forget)):
        own = images[found == label][:PICTURES_PER_CLASS]
        rows.append(torch.cat([own, known.mean.expand(PICTURES_PER_CLASS - len(own), *known.image_shape)]))
    return torch.stack(rows)
