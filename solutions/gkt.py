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

No image and no label is read (--data-free): the loaders tell the shape and scale of the images and the forget classes.

These choices are ours, because the source is silent or meant for larger networks and hours on a GPU. (a) Pseudo-batches of 64
images, a learning rate of 0.003, examinations every 25 pseudo-batches, at most 400 pseudo-batches; the source has 256, 0.001,
50, 4000. (b) An image that passes the gate may still be given up to 1 % of a forget class, from which the source's student
relearns it in the end. So the teacher's probabilities of forget classes are removed and the rest is rescaled to a sum of 1;
`share_forget` leaves them in, as the source has it. (c) A generator that only looks for disagreement shows few classes at a
time, and the student forgets the others; or it shows nothing that passes the gate, and the student learns nothing. So it also
reduces, weighted by `balance`, what keeps its images from passing (by how much the logarithm of the forget classes'
probability exceeds that of the gate), and the mean over the retain classes of -log of the teacher's mean probability for
them: the less a class is shown, the stronger the pull towards it. (The entropy of the mean prediction would not do: it hardly
notices that a class is never shown.) Fewer than 8 images that pass are not learnt from: batch-norm needs some. (d) The
student chases a moving target: what is examined and kept is the running average of its weights, of which each step keeps the
share `average`. Students are compared on the same images, those of the last four examinations. (e) The source does not stop:
its log on test images is read afterwards, and the student's learning rate follows it. In that log the student has 94.8 % on
the retain classes when it last has 0 % on the forget class, and 98.8 and 53.3 % a hundred pseudo-batches later. (f) The
generator's channels are 128 and 64 for a network whose widest convolution has 192 channels, as in the source, and in
proportion for narrower ones. (g) Maps are taken after a ReLU behind each block that keeps places, but for the head. The
smaller a map, the larger its mean squared differences: the weight of attention is for images of 32x32 pixels, and is in
proportion to their number for others.
"""

METADATA = {
    "family": "zero-shot",
    "source": 'Chundawat et al. 2023, "Zero-shot machine unlearning", https://arxiv.org/abs/2201.05629',
    "reported": (
        "97.12 % on retain classes, 0 % on the forget class (MNIST, All-CNN, class 0; original 97.84 %, retrained 99.25 %)"
    ),
    "values": (
        "published; ours: pseudo_batches, batch_size, learning_rate, balance, average, share_forget, examine_every, patience"
    ),
    "needs": "no data; whole classes to be forgotten",
    "published_steps": 0,
}

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader

from solutions.parts.data_spec import DataSpec, data_spec
from solutions.parts.distillation import frozen_copy
from solutions.parts.examiner import Examiner, probe
from solutions.parts.gated_transfer import Gate, Settings, follow, fresh_copy, study
from solutions.parts.image_generator import Generator, challenge, draw_noise, generator_for

BATCHES = "tuple"
LOCKSTEP = False  # a run takes minutes, and ends when its own student is ready

EXAMINED = 256  # generated images of an examination
PICTURES_PER_CLASS, PICTURED = 8, 1024  # images drawn, of which the first of each class are shown


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
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
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], val_loader: DataLoader[Any], **values: Any
) -> Tensor:
    """What the trained generator makes, a row for each class that the teacher takes it for, [classes, 8, *image_shape]."""
    return samples(net, retain_loader, forget_loader, Settings(**values))


def become_student(net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], settings: Settings) -> None:
    """Put the weights of a student into a network, its teacher."""
    student, _ = transfer(net, data_spec(net, retain_loader, forget_loader), settings)
    net.load_state_dict(student.state_dict())
    net.eval()


def transfer(net: nn.Module, spec: DataSpec, settings: Settings) -> tuple[nn.Module, Generator]:
    """The best student of a network, and the generator as it was at the end."""
    teacher, student, generator = frozen_copy(net), fresh_copy(net), generator_for(net, spec)
    gate = Gate(teacher, spec, settings)
    learner, maker = (Adam(part.parameters(), lr=settings.learning_rate) for part in (student, generator))
    schedules = [ReduceLROnPlateau(optimiser, mode="max", factor=0.5, patience=2) for optimiser in (learner, maker)]
    average, examiner = copy.deepcopy(student), Examiner(student, gate, settings)
    for batch in range(1, settings.pseudo_batches + 1):
        noise = draw_noise(generator, settings.batch_size)
        challenge(generator, noise, student, gate, maker)
        with torch.no_grad():
            lesson = gate.lesson(spec.pixels(generator(noise)))
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


@torch.no_grad()
def samples(net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], settings: Settings) -> Tensor:
    """Generated images in pixel values, a row for each class that the teacher takes some for, [classes, 8, *image_shape].

    A row with fewer images is filled up with grey ones.
    """
    spec = data_spec(net, retain_loader, forget_loader)
    with torch.enable_grad():
        _, generator = transfer(net, spec, settings)
    images = spec.pixels(generator(draw_noise(generator, PICTURED)))  # in train mode, as students saw them
    found = net.eval()(images).argmax(dim=1)
    rows = []
    for label in sorted((*spec.retain, *spec.forget)):
        own = images[found == label][:PICTURES_PER_CLASS]
        rows.append(torch.cat([own, spec.mean.expand(PICTURES_PER_CLASS - len(own), *spec.image_shape)]))
    return torch.stack(rows)
