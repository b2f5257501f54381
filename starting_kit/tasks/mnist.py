"""MNIST: 70,000 handwritten digits, 28x28 pixels (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist)."""

from pathlib import Path

from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.torchvision_data import data_set, idx_data
from starting_kit.tasks.task import Engine, Recipe, Task

SEED = 0


def _read(folder: Path) -> DataSet:
    return data_set(*idx_data(folder, "mnist", "MNIST"), SEED)


TASK = Task(
    name="mnist",
    version=1,
    summary="70,000 handwritten digits of 28x28 pixels; 10 % of 60,000 training images are to be forgotten",
    read=_read,
    needs="mnist/ with the four -ubyte.gz files, or torchvision's MNIST/raw/",
    marker_globs=("mnist/train-images-idx3-ubyte*", "MNIST/raw/train-images-idx3-ubyte*"),
    seed=SEED,
    forget="random:0.1",
    image_shape=(1, 28, 28),
    classes=10,
    pixel_mean=(33.32,),
    pixel_std=(78.57,),
    network="cnn-8-16-16",
    recipe=Recipe(epochs=5, batch_size=64, peak_learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
    loader_batch_size=64,
    engine=Engine("grouped", members=4),
    unlearned_at_once=4,
)
