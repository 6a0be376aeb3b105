"""Frozen dataclasses to plain JSON values and back, by their annotations.

Fields may be bool, int, float, str, another dataclass, a list, a tuple, a dictionary with text as keys, a Literal, Any,
or a union of these and None. What has another type is refused with the name of the field.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A dataclass as a dictionary, sequences as lists, numbers of numpy as Python's own; ready for `json.dumps`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def from_plain(kind: type[T], value: Any, where: str = "") -> T:
    """The instance of `kind` that `to_plain` described. Raises ValueError that names the place, such as "body.width".

    A field that is missing takes its default; one that the dataclass does not have is refused.
    """
    if not isinstance(value, dict):
        raise _wrong(kind.__name__, value, where)
    hints, names = get_type_hints(kind), [field.name for field in fields(cast(Any, kind))]
    if unknown := sorted(set(value) - set(names)):
        raise ValueError(f"{_at(where)}{kind.__name__} has no field {', '.join(unknown)}")
    made = {}
    for field in fields(cast(Any, kind)):
        place = f"{where}.{field.name}".lstrip(".")
        if field.name in value:
            made[field.name] = _value(hints[field.name], value[field.name], place)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{place} is missing")
    return kind(**made)


def _value(kind: Any, value: Any, where: str) -> Any:
    """The value as its annotation wants it."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or (origin is Literal and value in inner):
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        for part in (several := [part for part in inner if part is not type(None)]):
            try:
                return _value(part, value, where)
            except ValueError:
                if len(several) == 1:
                    raise
    if origin in (list, tuple) and isinstance(value, list):
        each = inner[:1] * len(value) if origin is list or inner[1:] == (...,) else inner
        if len(each) == len(value):
            pairs = zip(each, value, strict=True)
            return origin(_value(part, one, f"{where}[{n}]") for n, (part, one) in enumerate(pairs))
    elif origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _value(inner[1], part, f"{where}[{key!r}]") for key, part in value.items()}
    elif is_dataclass(kind):
        return from_plain(cast(Any, kind), value, where)
    elif kind is float and type(value) in (int, float):
        return float(value)
    elif kind in (bool, int, str) and type(value) is kind:
        return value
    raise _wrong(getattr(kind, "__name__", str(kind)) if not inner else str(kind), value, where)


def _wrong(wanted: str, value: Any, where: str) -> ValueError:
    return ValueError(f"{_at(where)}expected {wanted}, found {str(value)[:60]!r}")


def _at(where: str) -> str:
    return f"{where}: " if where else ""
