"""Damage to JSON that stays JSON most of the time: values of other types, absurd sizes, lost and made-up fields."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from mutations import flipped, torn

LONG = int("9" * 400)  # a number that no float holds
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 255, 2**31, 2**63, -(2**63), 10**18, LONG, -LONG, 0.5, -0.0, 1e308, 1e-320, "", " ",
    "LV", "x", "..", ".", "/", "../../x", "a/b", "C:\\x", "\0", "\ud800", "ü" * 300, "9" * 5000, "nan", "inf", "1e999",
    "-", [], {}, [[]], [{}], {"": None}, [None], [0] * 3, [1e9] * 6, ["LV"] * 2, [[0, 0, 0]] * 3, [[1, 0], [0]],
    {"a": {"b": [1]}}, list(range(100)), [1.5, "a", None],
)  # fmt: skip
SCALES = (0, -1, 1e-9, 1e3, 1e9, 1e300)
RAW = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[" * 3000, b'{"a":' * 3000, b"\xff\xfe", b"9" * 5000,
       b"\xef\xbb\xbf")  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*path, key)
        yield from places(part, (*path, key))


def changed(rng: random.Random, value: Any) -> Any:
    """A JSON value with one to four changes, at its outer levels as likely as deep inside."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        found = list(places(value))
        if not found:
            return copy.deepcopy(rng.choice(VALUES))
        depth = rng.randrange(1, 1 + max(map(len, found)))
        *way, last = rng.choice([place for place in found if len(place) <= depth])
        holder = value
        for key in way:
            holder = holder[key]
        move = rng.randrange(8)
        if move <= 2:
            holder[last] = copy.deepcopy(rng.choice(VALUES))
        elif move == 3 and isinstance(holder[last], (int, float)) and not isinstance(holder[last], bool):
            scale = rng.choice(SCALES)
            holder[last] = holder[last] * (scale if abs(holder[last]) < 1e300 else 2)
        elif move == 4:
            del holder[last]
        elif move == 5 and isinstance(holder, list):
            holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(rng.choice((holder[last], rng.choice(VALUES)))))
        elif move == 6 and isinstance(holder, dict):
            holder[rng.choice(("", "x", "schema", *map(str, holder)))] = copy.deepcopy(rng.choice(VALUES))
        elif isinstance(holder, dict):
            other = rng.choice(list(holder))
            holder[last], holder[other] = holder[other], holder[last]
        else:
            rng.shuffle(holder)
    return value


def json_text(rng: random.Random, raw: bytes) -> bytes:
    """A JSON file: values changed, bytes damaged, or a piece of its text replaced by what JSON hardly allows."""
    move = rng.randrange(10)
    if move == 0:
        return rng.choice((flipped, torn))(rng, raw)
    if move == 1:
        at = [place for place, byte in enumerate(raw) if byte in b"0123456789[{"] or [0]
        place = rng.choice(at)
        return raw[:place] + rng.choice(RAW) + raw[place + rng.randrange(3) :]
    text = json.dumps(changed(rng, json.loads(raw)))
    return text.encode() if move > 2 else text.replace("99999", "NaN", 1).encode()


def tensor_header(rng: random.Random, raw: bytes) -> bytes:
    """A safetensors file whose JSON header is changed; the configurations inside it are JSON of their own."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    if rng.random() < 0.15:
        return rng.choice((flipped, torn))(rng, raw)
    metadata = header.get("__metadata__", {})
    inner = [name for name, text in metadata.items() if text.startswith(("{", "["))]
    if inner and rng.random() < 0.6:
        name = rng.choice(inner)
        metadata[name] = json_text(rng, metadata[name].encode()).decode("utf-8", "replace")
    else:
        header = changed(rng, header)
    text = json.dumps(header).encode()
    size = len(text) if rng.random() < 0.9 else rng.choice((0, 1, 2**62, len(text) + 7))
    return size.to_bytes(8, "little") + text + raw[8 + length :]
