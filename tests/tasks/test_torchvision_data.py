"""Data sets that torchvision knows, in files of their published formats that the tests write."""

import gzip
import pickle
import struct

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets

from starting_kit import tasks
from starting_kit.errors import InputError

RNG = np.random.default_rng(0)
TRAINING, HELD_OUT = 50, 20


def pixels(count, *shape):
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def no_network(monkeypatch):
    """Downloads fail at once, as they do where there is no network."""

    def refuse(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.parametrize(("name", "place"), [("mnist", "mnist"), ("fashion_mnist", "FashionMNIST/raw")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_where_people_put_them(name, place, suffix, tmp_path):
    images = {"train": pixels(TRAINING, 28, 28), "t10k": pixels(HELD_OUT, 28, 28)}
    labels = {"train": np.arange(TRAINING) % 10, "t10k": np.arange(HELD_OUT) % 10}
    for part in images:
        write_idx(tmp_path / place / f"{part}-images-idx3-ubyte{suffix}", images[part])
        write_idx(tmp_path / place / f"{part}-labels-idx1-ubyte{suffix}", labels[part])
    data = tasks.find(name, tmp_path).load()
    np.testing.assert_array_equal(data.images[:, 0], np.concatenate(list(images.values())))
    np.testing.assert_array_equal(data.labels, np.concatenate(list(labels.values())))
    assert sorted(data.training) == list(range(TRAINING))


def test_a_damaged_idx_file_is_named(tmp_path):
    for part in ("train", "t10k"):
        write_idx(tmp_path / "mnist" / f"{part}-images-idx3-ubyte.gz", pixels(4, 28, 28))
        write_idx(tmp_path / "mnist" / f"{part}-labels-idx1-ubyte.gz", np.arange(4))
    path = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz is damaged \(.*\); fetch it again"):
        tasks.find("mnist", tmp_path).load()


def write_cifar(root, monkeypatch, name, base, files, key):
    """Pickled batches, as published; torchvision's checksums are those of the real ones, so they are not compared."""
    (root / base).mkdir()
    images = {}
    for number, (file, count) in enumerate(files.items()):
        images[file] = pixels(count, 3, 32, 32)
        content = {"data": images[file].reshape(count, -1), key: [(number + i) % 10 for i in range(count)]}
        (root / base / file).write_bytes(pickle.dumps(content))
    meta = {"cifar-10-batches-py": ("batches.meta", "label_names"), "cifar-100-python": ("meta", "fine_label_names")}[base]
    (root / base / meta[0]).write_bytes(pickle.dumps({meta[1]: [str(i) for i in range(100)]}))
    monkeypatch.setattr(getattr(datasets, name), "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *arguments: True)
    return np.concatenate(list(images.values()))


def test_cifar10_is_split_as_the_starting_kit_splits_it(tmp_path, monkeypatch):
    files = {**{f"data_batch_{i}": 10 for i in range(1, 6)}, "test_batch": HELD_OUT}
    images = write_cifar(tmp_path, monkeypatch, "CIFAR10", "cifar-10-batches-py", files, "labels")
    data = tasks.find("cifar10", tmp_path).load()
    np.testing.assert_array_equal(data.images, images)
    assert data.labels[10:13].tolist() == [1, 2, 3]
    assert sorted(data.training) == list(range(TRAINING))
    assert len(data.forget) == 5
    generator = torch.Generator().manual_seed(42)
    held_out = torch.utils.data.TensorDataset(torch.arange(HELD_OUT))
    test, validation = torch.utils.data.random_split(held_out, [0.5, 0.5], generator=generator)
    assert data.test.tolist() == sorted(TRAINING + i for i in test.indices)
    assert data.validation.tolist() == sorted(TRAINING + i for i in validation.indices)


def test_cifar10_takes_the_forget_set_of_the_starting_kit(tmp_path, monkeypatch):
    files = {**{f"data_batch_{i}": 10 for i in range(1, 6)}, "test_batch": HELD_OUT}
    write_cifar(tmp_path, monkeypatch, "CIFAR10", "cifar-10-batches-py", files, "labels")
    np.save(tmp_path / "forget_idx.npy", np.array([41, 7, 13]))
    data = tasks.find("cifar10", tmp_path, f"file:{tmp_path / 'forget_idx.npy'}").load()
    assert data.forget.tolist() == [7, 13, 41]


def test_cifar100_has_its_hundred_fine_classes(tmp_path, monkeypatch):
    images = write_cifar(
        tmp_path, monkeypatch, "CIFAR100", "cifar-100-python", {"train": TRAINING, "test": HELD_OUT}, "fine_labels"
    )
    task = tasks.find("cifar100", tmp_path)
    assert task.classes == 100
    np.testing.assert_array_equal(task.load().images, images)


def test_svhn_is_read_from_its_matlab_files(tmp_path, monkeypatch):
    images = {"train": pixels(TRAINING, 3, 32, 32), "test": pixels(HELD_OUT, 3, 32, 32)}
    for part, values in images.items():
        digits = np.arange(len(values)) % 10 + 1  # the digit 0 is written 10
        savemat(tmp_path / f"{part}_32x32.mat", {"X": values.transpose(2, 3, 1, 0), "y": digits[:, None].astype(np.uint8)})
    monkeypatch.setattr(datasets.SVHN, "_check_integrity", lambda self: True)
    data = tasks.find("svhn", tmp_path).load()
    np.testing.assert_array_equal(data.images, np.concatenate(list(images.values())))
    assert data.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("mnist", "MNIST('{}', download=True)"),
        ("fashion_mnist", "FashionMNIST('{}', download=True)"),
        ("cifar10", "CIFAR10('{}', train=True, download=True)"),
        ("cifar100", "CIFAR100('{}', train=True, download=True)"),
        ("svhn", "SVHN('{}', split='train', download=True)"),
    ],
)
def test_a_data_set_that_is_missing_and_cannot_be_fetched_is_one_sentence_with_the_command(name, command, tmp_path, no_network):
    with pytest.raises(InputError) as caught:
        tasks.find(name, tmp_path).load()
    sentence = str(caught.value)
    assert "--data" in sentence
    assert command.format(tmp_path) in sentence


def test_a_missing_pack_of_jpegs_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cifar10_jpeg_pack.npz is missing; give the folder"):
        tasks.find("cifar10_jpeg", tmp_path).load()
