"""Packages that only some commands need; pyproject.toml lists them as extras."""

from collections.abc import Iterator
from contextlib import contextmanager

from starting_kit.errors import InputError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around the imports of an extra's packages: a missing one is an error that names the extra.

    Raises:
        InputError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing(error.name or str(error), extra) from error


def missing(package: str, extra: str) -> InputError:
    """The error to raise where a package is not installed.

    >>> str(missing("optuna", "tune"))
    "optuna is not installed; it comes with pip install 'unlearning-challenge-kit[tune]'."
    """
    return InputError(f"{package} is not installed; it comes with pip install 'unlearning-challenge-kit[{extra}]'.")
