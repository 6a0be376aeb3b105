"""Rich text of labels, message boxes and pages: what comes from files and users is escaped here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

BREAK = "<br>"


def plain(text: object) -> str:
    """Text that stands as it is; its line breaks stay."""
    return escape(str(text)).replace("\n", BREAK)


def bold(text: object) -> str:
    """Text in bold type."""
    return f"<b>{plain(text)}</b>"


def link(target: str, text: object) -> str:
    """Text that tells its label's `linkActivated` of the target."""
    return f'<a href="{escape(target)}">{plain(text)}</a>'


def literal(text: object) -> str:
    """Text for a tool tip or a message box, which take anything with a tag for rich text: names of the user's show as
    they are.
    """
    return f"<qt>{plain(text)}</qt>" if str(text) else ""


def lines(parts: Iterable[str]) -> str:
    """Rich text below each other; empty parts are left out."""
    return BREAK.join(part for part in parts if part)


def page(sections: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> str:
    """Headings, each with a table of names and values below it."""
    return "".join(f"<h4>{plain(heading)}</h4><table>{''.join(_row(*pair) for pair in pairs)}</table>"
                   for heading, pairs in sections)


def _row(name: str, value: str) -> str:
    return f"<tr><td style='padding-right:12px'>{plain(name)}</td><td>{plain(value)}</td></tr>"


def sentence(text: str) -> str:
    """Words of an error as a sentence: a capital letter first, one full stop last."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
