"""Scorecards as JSON files: one codec per schema version.

In schema 3 what cannot be computed is null, with the reason after it under the same name and `_reason`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import fields, replace

from evaluation.metric.measured import Measured
from evaluation.scoring.scorecard import ELSEWHERE, Scorecard
from starting_kit.errors import InputError
from starting_kit.files import write_json

SCHEMA_VERSION = 3
NOT_IN_THE_FILE = ("path",)
RENAMED = {"floor": "originals_score", "floor_reason": "originals_score_reason"}  # scorecards until 2026-11 have these names


def write(card: Scorecard, path: Path) -> Scorecard:
    """Write a scorecard to a file, and give it with its path.

    Raises:
        RunError: the file cannot be written.
    """
    write_json(path, encode(card))
    return replace(card, path=path)


def read(path: Path) -> Scorecard:
    """Read a scorecard.

    Raises:
        InputError: the file is damaged, not a scorecard, or of a schema version that this program does not know.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["schema_version"]
        decode = DECODERS.get(found)
        if decode is not None:
            return replace(decode(content), path=path)
    except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise InputError(f"{path} is not a scorecard ({type(error).__name__}: {error}); remove it or score again.") from error
    raise InputError(f"{path} has schema version {found}, this program knows {SCHEMA_VERSION}; score again.")


def encode(card: Scorecard) -> dict[str, Any]:
    """A scorecard as its file has it, ready for JSON."""
    return {"schema_version": SCHEMA_VERSION, **_plain(card)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if not isinstance(value, Struct):
        return value
    result: dict[str, Any] = {}
    for known in fields(value):
        inner, name = getattr(value, known.name), known.encode_name
        if inner is UNSET or name in NOT_IN_THE_FILE:
            continue
        measured = inner if isinstance(inner, Measured) else Measured(inner, ELSEWHERE)
        result[name] = _plain(measured.value)
        if measured.value is None and (isinstance(inner, Measured) or isinstance(value, Scorecard)):
            result[f"{name}_reason"] = measured.reason
    return result


def _decode_3(content: dict[str, Any]) -> Scorecard:
    given = {RENAMED.get(name, name): value for name, value in content.items() if name != "schema_version"}
    return msgspec.convert(_typed(given, Scorecard), Scorecard)


def _typed(content: Any, kind: Any) -> Any:
    """The content of a file in the shape of a type: a value and its reason are one where the type says `Measured`."""
    if not isinstance(content, dict):
        return content
    if get_origin(kind) is dict:
        return {name: _typed(value, get_args(kind)[1]) for name, value in content.items()}
    if not _is_struct(kind):
        return content
    result = {}
    for known in fields(kind):
        name, inner = known.encode_name, _struct_of(known.type)
        if name in content and get_origin(inner) is Measured:
            value = _typed(content[name], get_args(inner)[0])
            result[name] = {"value": value, "reason": content.get(f"{name}_reason")}
        elif name in content:
            result[name] = _typed(content[name], inner)
    return result


def _struct_of(kind: Any) -> Any:
    """A type, or of a union what is a structure: the others stand for its absence."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((option for option in options if _is_struct(option)), kind)


def _is_struct(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Struct)


DECODERS: dict[int, Callable[[dict[str, Any]], Scorecard]] = {3: _decode_3}
