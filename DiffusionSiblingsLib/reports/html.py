"""Reports as one HTML page: everything inside it, nothing fetched, legible in light, in dark and on paper."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.files import atomic_path
from .chart_style import Picture
from .page_style import STYLE

# The browser itself refuses whatever the page should ever ask of the network.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MIME = {"png": "image/png", "svg": "image/svg+xml"}
DASH = "–"
UNIT = re.compile(r"(?<=\d) (?=(?:%|ml|mm|sd)(?![a-z]))")  # a number and its unit stay on one line
NARROW = "\u202f"


class Html(str):
    """Text that is markup already; everything else is escaped before it goes into a page."""

    __slots__ = ()


Content = str | Html | int | float | None


EMPTY = Html()


def escaped(value: Content) -> Html:
    """Markup as it is; anything else as text, None as nothing. Numbers come in as text from `number`."""
    if isinstance(value, Html):
        return value
    return Html("" if value is None else UNIT.sub(NARROW, html.escape(str(value), quote=True)))


def tag(name: str, *content: Content, **attributes: object) -> Html:
    """An element. attributes: class_ for class; a name's "_" becomes "-"; None leaves one out."""
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    written = "".join(f' {key}="{html.escape(str(value), quote=True)}"' for key, value in named)
    return Html(f"<{name}{written}>{''.join(escaped(part) for part in content)}</{name}>")


def code(words: object) -> Html:
    """A path, a command or a checksum, to be copied as it stands."""
    return Html(f"<code>{html.escape(str(words), quote=True)}</code>")


def joined(*parts: Content, between: str = "") -> Html:
    """Parts one after the other."""
    return Html(escaped(between).join(escaped(part) for part in parts))


def paragraph(*content: Content, kind: str | None = None) -> Html:
    """A paragraph. kind: "lead" (larger) or "small"."""
    return tag("p", *content, class_=kind)


def bullets(items: Sequence[Content]) -> Html:
    """A list with a dot before each item; nothing for no items."""
    return tag("ul", *(tag("li", item) for item in items)) if items else EMPTY


def note(title: str, *content: Content, kind: str = "note") -> Html:
    """A box beside the text. kind: "note", "good" or "warning"; the title says in words what the colour says."""
    return tag("div", tag("strong", title), " ", *content, class_=f"box {kind}")


def facts(values: Mapping[str, Content]) -> Html:
    """Names and values in two columns; empty values are left out."""
    rows = [joined(tag("dt", name), tag("dd", value)) for name, value in values.items() if value not in (None, "")]
    return tag("dl", *rows) if rows else EMPTY


def table(rows: Sequence[Mapping[str, Content]], caption: str = "", *, numbers: Sequence[str] = ()) -> Html:
    """A table. rows: column -> text or number; columns in the order in which they first occur. A column of numbers
    stands on the right and shares its decimals, as do columns of text named in `numbers`; the first names the row.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if not columns:
        return EMPTY
    digits = {column: _decimals([row.get(column) for row in rows]) for column in columns}
    sides = {column: "number" if column in numbers or digits[column] is not None else None for column in columns}
    head = tag("tr", *(tag("th", column, scope="col", class_=sides[column]) for column in columns))
    body = [tag("tr", *(_cell(row.get(column), digits[column], sides[column], first=place == 0)
                        for place, column in enumerate(columns))) for row in rows]
    title = tag("caption", caption) if caption else EMPTY
    whole = tag("table", title, tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="scroll")


def _cell(value: Content, decimals: int | None, side: str | None, *, first: bool) -> Html:
    shown = number(value, decimals) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    text = DASH if value is None and decimals is not None else shown
    return tag("th", text, scope="row") if first else tag("td", text, class_=side)


def _decimals(values: Sequence[Content]) -> int | None:
    """Decimals that suit a column of numbers, None for a column with any text."""
    given = [value for value in values if value is not None]
    if not given or any(isinstance(value, (str, bool)) for value in given):
        return None
    fractions = [abs(float(value)) for value in given if not isinstance(value, int)]
    largest = max((value for value in fractions if math.isfinite(value)), default=0.0)
    return 0 if not fractions or largest >= 1000 else 1 if largest >= 20 else 2 if largest >= 1 else 3


def number(value: float | None, decimals: int | None = None) -> str:
    """A number for readers: `decimals`, or three digits that count; a dash for none."""
    if value is None or not math.isfinite(value):
        return DASH
    if decimals is None:
        decimals = 0 if value == int(value) else max(0, 2 - math.floor(math.log10(abs(value))))
    words = f"{value:.{0 if isinstance(value, int) else decimals}f}"
    return (words if float(words) else words.lstrip("-")).replace("-", "−")


def picture(shown: Picture, title: str = "") -> Html:
    """A figure with its caption; the image is part of the page. It shrinks with the window and never grows."""
    source = f"data:{MIME[shown.format]};base64,{base64.b64encode(shown.data).decode('ascii')}"
    image = Html(f'<img src="{source}" alt="{html.escape(shown.alt, quote=True)}" width="{shown.width}" '
                 f'height="{shown.height}">')
    heading = tag("strong", title + ". ") if title else EMPTY
    caption = tag("figcaption", heading, shown.caption) if title or shown.caption else EMPTY
    return tag("figure", image, caption)


def side_by_side(pictures: Sequence[Picture], caption: str = "") -> Html:
    """Figures in a row, below each other where the window is narrow, with one caption."""
    row = tag("div", *(picture(replace(one, caption="")) for one in pictures), class_="pair")
    return joined(row, paragraph(caption, kind="small") if caption else EMPTY)


@dataclass(frozen=True)
class Section:
    """A part of a page. title: its heading, also in the list of contents. parts: markup from the functions above."""

    title: str
    parts: tuple[Html, ...]

    @property
    def anchor(self) -> str:
        """What links to it end in."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """A report. kicker: what kind of report, above the title. lead: the answer in a few sentences, below it.
    foot: who made it, when, from what.
    """

    title: str
    kicker: str = ""
    lead: Html = EMPTY
    sections: tuple[Section, ...] = ()
    foot: str = ""
    language: str = field(default="en")

    def text(self) -> str:
        """The whole page."""
        links = (tag("a", section.title, href=f"#{section.anchor}") for section in self.sections)
        head = tag("header", tag("p", self.kicker, class_="kicker"), tag("h1", self.title), self.lead)
        parts = [tag("section", tag("h2", section.title, id=section.anchor), *section.parts)
                 for section in self.sections]
        body = tag("main", head, tag("nav", *links, aria_label="Contents"), *parts, tag("footer", self.foot))
        return (f'<!DOCTYPE html>\n<html lang="{self.language}">\n<head>\n<meta charset="utf-8">\n'
                f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
                '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
                '<meta name="color-scheme" content="light dark">\n'
                # Without an icon of its own a browser asks the server for one.
                '<link rel="icon" href="data:,">\n'
                f"<title>{html.escape(self.title)}</title>\n<style>\n{STYLE}</style>\n</head>\n"
                f"<body>\n{body}\n</body>\n</html>\n")

    def write(self, path: Path) -> Path:
        """Writes the page, whole or not at all. Raises OutputError."""
        with atomic_path(path) as temporary:
            # File names need not be text: what is none is shown as its number.
            temporary.write_text(self.text(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return path
