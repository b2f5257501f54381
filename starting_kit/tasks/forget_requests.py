"""Forget requests: which training examples are to be forgotten.

    random:0.2          a random 20 % of the training data
    class:3             every example of class 3
    subject:400         every example of the first 400 subjects (people, lesions), which are numbered in random order
    mislabelled:0.05    a random 5 %, given wrong labels before anything is trained: unlearning corrects the data
    file:ids.txt        the examples that a file lists, one id per line or as an array (.npy)
    own                 the forget set that comes with the data set

An example's id is its position in the data set.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from starting_kit.errors import InputError
from starting_kit.tasks.data import DataSet, Ids

FORMS = "random:FRACTION, class:ID, subject:COUNT, mislabelled:FRACTION, file:PATH or own"


@dataclass(frozen=True)
class ForgetRequest:
    """A parsed forget request.

    Attributes:
        text: identifies the request, also to people; for a file, its name and a hash of the ids.
        kind: what comes before the colon.
        value: a fraction, a class, a number of subjects, ids, or None.
    """

    text: str
    kind: str
    value: Any

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> ForgetRequest:
    """Parse a forget request.

    Raises:
        InputError: it has none of the forms, its number is out of range, or its file cannot be read.
    """
    if text == "own":
        return ForgetRequest(text, text, None)
    kind, _, value = text.partition(":")
    try:
        if kind in ("random", "mislabelled") and 0 < float(value) < 1:
            return ForgetRequest(text, kind, float(value))
        if kind in ("class", "subject") and int(value) >= (kind == "subject"):
            return ForgetRequest(text, kind, int(value))
    except ValueError:
        pass  # not a number: the sentence below says what is expected
    if kind == "file" and value:
        ids = _read_ids(Path(value))
        digest = hashlib.sha256(ids.tobytes()).hexdigest()[:8]
        return ForgetRequest(f"file:{Path(value).name}#{digest}", kind, ids)
    raise InputError(f"--forget {text} is not {FORMS}, with a fraction between 0 and 1 and whole numbers.")


def _read_ids(path: Path) -> Ids:
    """The ids that a file lists, ascending.

    Raises:
        InputError: the file cannot be read, or is not a list of distinct whole numbers.
    """
    try:
        ids = np.load(path) if path.suffix == ".npy" else np.array([int(word) for word in path.read_text().split()])
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as ids of examples, one whole number per line or an .npy file: {error}."
        ) from error
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or not len(ids):
        raise InputError(f"{path} holds no list of whole numbers, the ids of the examples to forget.")
    if len(np.unique(ids)) != len(ids):
        raise InputError(f"{path} lists some examples twice.")
    return np.sort(ids).astype(np.int64)


def choose(request: ForgetRequest, data: DataSet, classes: int, seed: int) -> tuple[Ids, Ids]:
    """The examples to forget, and the labels that networks are trained on.

    Args:
        request: what is to be forgotten.
        data: the data set.
        classes: how many there are.
        seed: of the wrong labels.

    Returns:
        Ids of the forget set, and labels [examples], wrong ones where the request says so.

    Raises:
        InputError: the request does not fit the data.
    """
    labels, training = data.labels, data.training
    if request.kind in ("random", "mislabelled"):
        forget = training[: round(request.value * len(training))]  # the ids come in random order
        if request.kind == "mislabelled":
            labels = labels.copy()
            off = np.random.default_rng(seed).integers(1, classes, len(forget))
            labels[forget] = (labels[forget] + off) % classes
    elif request.kind == "class":
        if request.value >= classes:
            raise InputError(f"--forget {request}: the classes are 0 to {classes - 1}.")
        forget = training[labels[training] == request.value]
    elif request.kind == "subject":
        forget = _of_subjects(request, training, data.subjects)
    elif request.kind == "own":
        if data.forget is None:
            raise InputError(f"--forget own: this data set brings no forget set; give {FORMS.removesuffix(' or own')}.")
        forget = data.forget
    else:
        forget = _listed(request, training, len(labels))
    if not 0 < len(forget) < len(training):
        raise InputError(f"--forget {request} leaves {len(training) - len(forget)} of {len(training)} training examples.")
    return forget, labels


def _of_subjects(request: ForgetRequest, training: Ids, subjects: Ids | None) -> Ids:
    if subjects is None:
        raise InputError(f"--forget {request}: it is not known of whom these images are; forget by class, file or at random.")
    known = np.unique(subjects[training])
    if request.value >= len(known):
        raise InputError(f"--forget {request}: the training data has {len(known)} subjects, and some must be left.")
    return training[np.isin(subjects[training], known[: request.value])]


def _listed(request: ForgetRequest, training: Ids, examples: int) -> Ids:
    strangers = np.setdiff1d(request.value, training)
    if len(strangers):
        what = "no example" if not 0 <= strangers[0] < examples else "not in the training data"
        raise InputError(f"--forget {request}: {len(strangers)} of its ids cannot be forgotten; {strangers[0]} is {what}.")
    return training[np.isin(training, request.value)]
