"""Reports as one HTML page from the templates in Resources/Pages: everything inside it, nothing fetched.

Whatever a template prints is escaped (jinja2's autoescape). A page is legible in light, in dark and on paper.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.anatomy import resource_folder
from ..core.files import atomic_path
from .chart_style import Picture

if TYPE_CHECKING:
    from jinja2 import Environment

# The browser itself refuses whatever the page should ever ask of the network.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MIME = {"png": "image/png", "svg": "image/svg+xml"}
DASH = "–"
NARROW = "\u202f"
# A number and its unit stay on one line, except in what is to be copied as it stands.
UNIT = re.compile(r"<code>.*?</code>|(?<=\d) (?=(?:%|ml|mm|sd)(?![a-z]))", re.DOTALL)

Cell = str | int | float | None


@dataclass(frozen=True)
class Column:
    """A column of a table. number: it stands on the right. cells: text, one for each row."""

    title: str
    number: bool
    cells: tuple[str, ...]


def columns(rows: Sequence[Mapping[str, Cell]], numbers: Sequence[str] = ()) -> tuple[Column, ...]:
    """Rows (column title -> text or number) as columns, in the order in which their titles first occur.

    A column of numbers stands on the right and shares its decimals, as do columns of text that `numbers` names.
    """
    found = []
    for title in dict.fromkeys(title for row in rows for title in row):
        values = [row.get(title) for row in rows]
        decimals = _decimals(values)
        found.append(Column(title, title in numbers or decimals is not None,
                            tuple(_text(value, decimals) for value in values)))
    return tuple(found)


def _text(value: Cell, decimals: int | None) -> str:
    if value is None:
        return DASH if decimals is not None else ""
    return str(value) if isinstance(value, (str, bool)) else number(value, decimals)


def _decimals(values: Sequence[Cell]) -> int | None:
    """Decimals that suit a column of numbers, None for a column with any text."""
    given = [value for value in values if value is not None]
    if not given or any(isinstance(value, (str, bool)) for value in given):
        return None
    fractions = [abs(float(value)) for value in given if not isinstance(value, int)]
    largest = max((value for value in fractions if math.isfinite(value)), default=0.0)
    return 0 if not fractions or largest >= 1000 else 1 if largest >= 20 else 2 if largest >= 1 else 3


def number(value: float | None, decimals: int | None = None) -> str:
    """A number for readers: `decimals`, or three significant digits; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return DASH
    if decimals is None:
        decimals = 0 if value == int(value) else max(0, 2 - math.floor(math.log10(abs(value))))
    words = f"{value:.{0 if isinstance(value, int) else decimals}f}"
    return (words if float(words) else words.lstrip("-")).replace("-", "−")


def data_uri(picture: Picture) -> str:
    """The picture as an address that holds it."""
    return f"data:{MIME[picture.format]};base64,{base64.b64encode(picture.data).decode('ascii')}"


def anchor(title: str) -> str:
    """The address of a section within its page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


@cache
def environment() -> Environment:
    """The templates, with autoescape on and an error for every name that a page lacks."""
    import jinja2

    found = jinja2.Environment(loader=jinja2.FileSystemLoader(resource_folder() / "Pages"), autoescape=True,
                               undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                               extensions=["jinja2.ext.do"])
    found.filters |= {"number": number, "columns": columns, "data_uri": data_uri, "anchor": anchor}
    return found


def rendered(template: str, **values: object) -> str:
    """A template of Resources/Pages filled in. values: the names that it prints."""
    page = environment().get_template(template).render(policy=POLICY, contents=[], **values)
    return UNIT.sub(lambda match: match[0] if match[0] != " " else NARROW, page)


def write_page(path: Path, template: str, **values: object) -> Path:
    """Writes a page, whole or not at all. Raises OutputError."""
    text = rendered(template, **values)
    with atomic_path(path) as temporary:
        # A file name need not be valid text: what is not is shown as its number.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return path
