"""Lists of names as people type them."""

from __future__ import annotations

import re

from .errors import InputError


def names_of(value: object) -> tuple[str, ...]:
    """A name, several with commas, or a list of either -> names without blanks; None -> (). Raises InputError."""
    listed = value if isinstance(value, (list, tuple)) else [value] if value is not None else []
    if not all(isinstance(part, str) for part in listed):
        raise InputError("Names cannot be read", value=value, rule='text such as "LV,LA", or a list of names')
    return tuple(name.strip() for part in listed for name in str(part).split(",") if name.strip())


def readable(text: str) -> str:
    """A text of a file as letters that every program can show and write.

    Bytes that were not UTF-8, and were kept by surrogate escapes, are taken for the western code page of Windows.
    """
    if text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text):
        return text
    return text.encode("utf-8", errors="surrogateescape").decode("cp1252", errors="replace")


def plain_name(name: str) -> str:
    """A name of a condition, a heart or a cohort as part of a file name: letters, digits, dots, + and -."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-")
