"""CIFAR-10 as the competition's starting kit has it: ResNet-18, 45,000 retain and 5,000 forget images.

`--forget file:forget_idx.npy` gives the kit's own forget set; the default draws as many images at random. Normalisation, batch
size, augmentation and the halves of the test set are the kit's, and so is SGD at 0.1; how long it trained is not known.
(Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html.)
"""

from pathlib import Path

import numpy as np

from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.torchvision_data import data_set, fetch
from starting_kit.tasks.task import ONE_AT_A_TIME, Recipe, Task

SEED = 0
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # the kit's, of pixels in [0, 1]


def _read(folder: Path) -> DataSet:
    parts = (fetch(folder, "CIFAR10", train=train) for train in (True, False))
    training, held_out = ((part.data.transpose(0, 3, 1, 2), np.array(part.targets)) for part in parts)
    return data_set(training, held_out, SEED)


TASK = Task(
    name="cifar10",
    version=2,
    summary="CIFAR-10, 32x32 pixels, as in the competition's starting kit; 5,000 of 50,000 training images are to be forgotten",
    read=_read,
    needs="cifar-10-batches-py/, as torchvision leaves it",
    marker_globs=("cifar-10-batches-py",),
    seed=SEED,
    forget="random:0.1",
    image_shape=(3, 32, 32),
    classes=10,
    pixel_mean=tuple(255 * value for value in MEAN),
    pixel_std=tuple(255 * value for value in STD),
    network="resnet18",
    recipe=Recipe(epochs=30, batch_size=128, peak_learning_rate=0.1, momentum=0.9, weight_decay=5e-4, augment=True),
    loader_batch_size=128,
    engine=ONE_AT_A_TIME,
    unlearned_at_once=1,
    originals=16,  # of 43 MB each
)
