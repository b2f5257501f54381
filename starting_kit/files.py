"""Files that are complete or absent: written under a temporary name, renamed, and checked when read."""

import hashlib
import io
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starting_kit.errors import InputError, RunError

Arrays = dict[str, NDArray[Any]]
DIGEST_BYTES = hashlib.sha256().digest_size


class DamagedFileError(Exception):
    """A file's content is not what was written."""


def identity_key(identity: dict[str, Any]) -> str:
    """A hash of everything that determines a population's numbers."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write an .npz file, followed by the SHA-256 of its bytes (which `numpy.load` ignores).

    Raises:
        RunError: the file cannot be written; no part of it is left.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub mistakes the arrays for its own keyword
    content = buffer.getvalue()
    write_bytes(path, content + hashlib.sha256(content).digest())


def read_arrays(path: Path) -> Arrays | None:
    """Arrays written by `write_arrays`, or None where there is no file.

    Raises:
        DamagedFileError: the checksum does not match.
    """
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    content, digest = stored[:-DIGEST_BYTES], stored[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise DamagedFileError(path)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def read_intact(path: Path) -> Arrays | None:
    """The arrays of a file, or None where it is missing or damaged."""
    try:
        return read_arrays(path)
    except DamagedFileError:
        return None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader, or a rerun after a crash, sees all of it or what was there before.

    Raises:
        RunError: the file cannot be written; no part of it is left.
    """
    if _is_special(path):
        _append(path, content)
        return
    path = path.resolve() if path.is_symlink() else path  # the link stays
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # there is none, or its name is too long for one
            temporary.unlink()
        raise RunError(f"{path} cannot be written: {error.strerror}. What was finished before is kept.") from error


def _is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or an open stream, such as /dev/stdout, which another file must not take the place of."""
    is_stream = str(path.absolute()) in ("/dev/stdout", "/dev/stderr") or path.absolute().is_relative_to("/dev/fd")
    return is_stream or (path.exists() and not path.is_file() and not path.is_dir())


def _append(path: Path, content: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from error


def make_folder(path: Path) -> None:
    """Create a folder unless it exists.

    Raises:
        RunError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be created: {error.strerror}. What was finished before is kept.") from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, indented for people.

    Raises:
        RunError: the file cannot be written; no part of it is left.
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def require_writable(folder: Path, option: str) -> None:
    """Check before any work that a folder can be written to, creating it if necessary.

    Args:
        folder: to be written to.
        option: of the command line, with which the user can choose another folder.

    Raises:
        InputError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}); choose a folder with {option}.") from error
