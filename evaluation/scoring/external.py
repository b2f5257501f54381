"""External populations, and ours written for elsewhere.

Either two .npz files, one per population, or a folder in a published layout (vstrozzi/assessing-machine-unlearning-approaches),
which holds one retrained population and any number of approaches to unlearning:

    logits_retain.npy   float32 [examples, 1 + models, classes]; entry 0 of the middle axis: one-hot labels
    metrics.csv         seed, retain_accuracy, forget_accuracy, test_accuracy; one row per model; may be missing
    <approach>/         logits_unlearn.npy and metrics.csv, the same of the unlearned models
"""

import csv
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.metric.outputs import Floats, Outputs
from starting_kit.errors import InputError, did_you_mean
from starting_kit.files import Arrays, write_bytes

Integers = NDArray[np.int64]

SPLITS = ("retain", "forget", "test")
ACCURACIES = tuple(f"{split}_accuracy" for split in SPLITS)
NPZ_NAMES = ("logits", "labels", "confidences", "ids", *ACCURACIES)
RETRAINED_FILE, UNLEARNED_FILE, METRICS_FILE = "logits_retain.npy", "logits_unlearn.npy", "metrics.csv"
SAVED_BY = {".npz": "numpy.savez", ".npy": "numpy.save"}
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, BadZipFile, zlib.error, TokenError)  # damaged files, or objects


class Pair(NamedTuple):
    """Two populations of the same examples; numbers of models may differ."""

    retrained: Outputs
    unlearned: Outputs


@dataclass(frozen=True)
class _Population:
    """What a file says of one population; labels and ids are None where it does not say."""

    path: Path
    outputs: Outputs
    labels: Integers | None
    ids: Integers | None


def read_pair(retrained_path: Path, unlearned_path: Path) -> Pair:
    """Two populations from two .npz files.

    A file holds `logits` [models, examples, classes] with `labels` [examples], or `confidences` [models, examples] (then
    `labels` may be there, to be compared), and optionally `ids` [examples] (0, 1, … if absent) and `retain_accuracy`,
    `forget_accuracy`, `test_accuracy` [models]. The forget accuracy that is not given is that of the logits. Margins are
    known where both files hold logits.

    Raises:
        InputError: a file that cannot be read as this (models and examples are counted from 0 in the message), or populations
            of different examples.
    """
    return _pair(_read_npz(retrained_path), _read_npz(unlearned_path))


def approaches(folder: Path) -> list[str]:
    """The approaches to unlearning in a folder of the published layout, in alphabetical order.

    Raises:
        InputError: there is none.
    """
    names = sorted(path.parent.name for path in folder.glob(f"*/{UNLEARNED_FILE}"))
    if not names:
        raise InputError(f"{folder} holds no <approach>/{UNLEARNED_FILE}; give a folder that holds {RETRAINED_FILE} and those.")
    return names


def read_approach(folder: Path, approach: str) -> Pair:
    """The retrained population of a folder of the published layout, and the unlearned population of one approach.

    Accuracies are those of metrics.csv, even where the forget accuracy is not that of the logits: in the published data the
    two differ by up to 0.7 %, the rows nevertheless belonging to the same models. Without metrics.csv, retain and test
    accuracy are absent and the forget accuracy is that of the logits.

    Raises:
        InputError: files that cannot be read as this, or populations of different examples.
    """
    return _pair(_read_published(folder / RETRAINED_FILE), _read_published(folder / approach / UNLEARNED_FILE))


def write_folder(
    folder: Path,
    approach: str,
    labels: NDArray[np.integer],
    unlearned_logits: NDArray[np.floating],
    retrained_logits: NDArray[np.floating],
    unlearned_accuracy: Mapping[str, Floats],
    retrained_accuracy: Mapping[str, Floats],
) -> None:
    """Write two populations in the published layout, beside other approaches that were compared with the same population.

    The layout has no place for example ids: whoever reads it counts the examples from 0.

    Args:
        folder: where; made if need be.
        approach: name of the sub-folder of the unlearned population, which is overwritten.
        labels: true classes on the forget set, [examples].
        unlearned_logits: on the forget set, [models, examples, classes]; written in float32.
        retrained_logits: the same of the retrained models.
        unlearned_accuracy: of each model on retain, forget and test, [models].
        retrained_accuracy: the same of the retrained models.

    Raises:
        InputError: the folder holds other retrained models.
        RunError: a file cannot be written.
    """
    retrained_path, retrained = folder / RETRAINED_FILE, _published_array(labels, retrained_logits)
    if not retrained_path.exists():
        _write_published(retrained_path, retrained, retrained_accuracy)
    elif not np.array_equal(_load(retrained_path, ".npy"), retrained):
        raise InputError(f"{folder} holds other retrained models; choose another folder with --export.")
    _write_published(folder / approach / UNLEARNED_FILE, _published_array(labels, unlearned_logits), unlearned_accuracy)


def _read_npz(path: Path) -> _Population:
    arrays = _load_npz(path)
    kind = "logits" if "logits" in arrays else "confidences"
    values = _numbers(path, kind, arrays[kind])
    _require_shape(path, kind, values, ["models", "examples", "classes"] if kind == "logits" else ["models", "examples"])
    models, examples = values.shape[:2]
    known = {name: _whole_numbers(path, name, arrays[name], examples) for name in ("labels", "ids") if name in arrays}
    if "ids" in known and len(np.unique(known["ids"])) < examples:
        raise InputError(f"{path}: ids name an example twice; each example must have its own.")
    given = [name for name in ACCURACIES if name in arrays]
    accuracy = {name.removesuffix("_accuracy"): _accuracies(path, name, arrays[name], models) for name in given}
    return _population(path, values, known.get("labels"), known.get("ids"), accuracy)


def _load_npz(path: Path) -> Arrays:
    """The arrays of a file: logits and labels, or confidences, and what else may be there."""
    with _load(path, ".npz") as stored:
        if unknown := [name for name in stored.files if name not in NPZ_NAMES]:
            guess = did_you_mean(unknown[0], NPZ_NAMES)
            raise InputError(f"{path} holds {', '.join(unknown)}, but only {', '.join(NPZ_NAMES)} are known.{guess}")
        if ("logits" in stored.files) == ("confidences" in stored.files):
            raise InputError(f"{path} must hold either logits or confidences; it holds {', '.join(stored.files) or 'nothing'}.")
        if "logits" in stored.files and "labels" not in stored.files:
            raise InputError(f"{path} holds logits without labels; add labels [examples], the true classes.")
        arrays = {}
        for name in stored.files:
            try:
                arrays[name] = np.asarray(stored[name])
            except UNREADABLE as error:
                raise InputError(f"{path}: {name} are damaged or Python objects; save numbers with numpy.savez.") from error
    return arrays


def _load(path: Path, kind: str) -> Any:
    """What `numpy.load` gives for a file that must be of one of its two kinds."""
    other_kind = f"{path} is not an {kind} file of numbers; write it with {SAVED_BY[kind]}."
    try:
        loaded = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check the path.") from error
    except UNREADABLE as error:
        raise InputError(other_kind) from error
    if isinstance(loaded, NpzFile) != (kind == ".npz"):
        raise InputError(other_kind)
    return loaded


def _read_published(path: Path) -> _Population:
    stored = _numbers(path, "the array", _load(path, ".npy"))
    _require_shape(path, "the array", stored, ["examples", "1 + models", "classes"])
    one_hot, logits = stored[:, 0], stored[:, 1:].swapaxes(0, 1)
    labels = one_hot.argmax(axis=-1)
    wrong = (one_hot != np.eye(one_hot.shape[-1])[labels]).any(axis=-1)
    if wrong.any():
        raise InputError(f"{path}: entry 0 of the middle axis must be the one-hot label; example {wrong.argmax()} has none.")
    accuracy = _read_metrics(path.with_name(METRICS_FILE), len(logits))
    return _population(path, logits, labels, None, accuracy)


def _read_metrics(path: Path, models: int) -> dict[str, Floats]:
    """Accuracies per split, [models]; none where there is no file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in ACCURACIES if name not in (reader.fieldnames or ())]:
                raise InputError(f"{path}, line 1: {missing[0]} is missing; the columns are seed, {', '.join(ACCURACIES)}.")
            rows = [_read_row(f"{path}, line {reader.line_num}", row) for row in reader]
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}); mend it, or remove it.") from error
    if len(rows) != models:
        raise InputError(f"{path}, line {reader.line_num}: {len(rows)} rows for {models} models; there must be one for each.")
    return dict(zip(SPLITS, np.array(rows).T, strict=True))


def _read_row(where: str, row: dict[str, str]) -> list[float]:
    try:
        values = [float(row[name]) for name in ACCURACIES]
    except (TypeError, ValueError):  # TypeError: the line ends early
        values = []
    if not values or not all(0 <= value <= 1 for value in values) or None in row:  # None: the line has cells too many
        cells = ", ".join(f"{name} = {row[name]}" for name in ACCURACIES)
        raise InputError(f"{where}: accuracies must be numbers in 0..1, one in each column, got {cells}.")
    return values


def _population(
    path: Path, values: Floats, labels: Integers | None, ids: Integers | None, accuracy: dict[str, Floats]
) -> _Population:
    """Of logits [models, examples, classes] with labels, or of confidences [models, examples]."""
    if len(values) < FEWEST_MODELS:
        raise InputError(f"{path} holds {len(values)} models; at least {FEWEST_MODELS} are needed.")
    finite = np.isfinite(values)
    if not finite.all():
        model, example, *_ = np.unravel_index(finite.argmin(), values.shape)
        raise InputError(f"{path}: NaN or infinity for model {model}, example {example}; leave out models that diverged.")
    numbers = {"forget": np.arange(values.shape[1]) if ids is None else ids}
    if values.ndim == 2:
        outputs = Outputs(numbers, {"forget": values.astype(np.float64, copy=False)}, None, accuracy)
    else:
        assert labels is not None
        outside = (labels < 0) | (labels >= values.shape[2])
        if outside.any() or values.shape[2] < 2:
            example = outside.argmax()
            raise InputError(f"{path}: label {labels[example]} of example {example} does not fit {values.shape[2]} classes.")
        accuracy = {"forget": (values.argmax(axis=-1) == labels).mean(axis=-1), **accuracy}
        outputs = Outputs.from_logits({"forget": values}, {"forget": labels}, numbers, accuracy)
    return _Population(path, outputs, labels, ids)


def _pair(retrained: _Population, unlearned: _Population) -> Pair:
    """Of two populations whose examples are the same, as far as is known."""
    different = f"{retrained.path} and {unlearned.path} hold different examples"
    counts = [len(population.outputs.ids["forget"]) for population in (retrained, unlearned)]
    if counts[0] != counts[1]:
        raise InputError(f"{different}: {counts[0]} and {counts[1]}; both must be of one forget set.")
    for what, first, second in (("id", retrained.ids, unlearned.ids), ("label", retrained.labels, unlearned.labels)):
        if first is not None and second is not None and (first != second).any():
            at = (first != second).argmax()
            raise InputError(f"{different}: {what} {first[at]} and {second[at]} in place {at}; bring them into one order.")
    ids = (unlearned if retrained.ids is None else retrained).outputs.ids  # those of the file that says them
    pair = Pair(replace(retrained.outputs, ids=ids), replace(unlearned.outputs, ids=ids))
    if any(outputs.forget_margins is None for outputs in pair):
        return Pair(*(replace(outputs, forget_margins=None, forget_logits=None) for outputs in pair))
    return pair


def _numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """In float32 where it is that, because confidences depend on it, else in float64."""
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: the type of {name} is {array.dtype}, but must be a number; save floating-point numbers.")
    return array.astype(np.float32 if array.dtype.str[1:] == "f4" else np.float64, copy=False)


def _whole_numbers(path: Path, name: str, array: NDArray[Any], examples: int) -> Integers:
    if array.dtype.kind not in "iu":
        raise InputError(f"{path}: the type of {name} is {array.dtype}, but must be an integer; save whole numbers.")
    _require_shape(path, name, array, [f"{examples} examples"], (examples,))
    return array.astype(np.int64)


def _accuracies(path: Path, name: str, array: NDArray[Any], models: int) -> Floats:
    values = _numbers(path, name, array).astype(np.float64)
    _require_shape(path, name, values, [f"{models} models"], (models,))
    outside = ~((values >= 0) & (values <= 1))  # NaN as well
    if outside.any():
        model = outside.argmax()
        raise InputError(f"{path}: {name} of model {model} is {values[model]}, but must lie in 0..1.")
    return values


def _require_shape(path: Path, name: str, array: NDArray[Any], axes: list[str], shape: tuple[int, ...] | None = None) -> None:
    if array.ndim != len(axes) or array.size == 0 or shape not in (None, array.shape):
        some = "" if array.size else ", at least one of each"
        raise InputError(f"{path}: the shape of {name} is {array.shape}, but must be [{', '.join(axes)}]{some}.")


def _published_array(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> NDArray[np.float32]:
    one_hot = np.eye(logits.shape[-1])[labels]
    return np.concatenate([one_hot[:, None], logits.swapaxes(0, 1)], axis=1, dtype=np.float32, casting="same_kind")


def _write_published(path: Path, array: NDArray[np.float32], accuracy: Mapping[str, Floats]) -> None:
    """Write metrics.csv, then the logits: where they are, a reader finds the metrics as well."""
    rows = zip(range(array.shape[1] - 1), *(accuracy[split].tolist() for split in SPLITS), strict=True)
    lines = [",".join(map(str, row)) for row in [("seed", *ACCURACIES), *rows]]
    write_bytes(path.with_name(METRICS_FILE), "".join(f"{line}\n" for line in lines).encode())
    np.save(content := io.BytesIO(), array)
    write_bytes(path, content.getvalue())
