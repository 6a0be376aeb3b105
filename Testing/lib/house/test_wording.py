"""The pages are in plain English: sentences of a length that one reading takes in, and no words of the house's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "studies" / "README.md",
         ROOT / "Resources" / "Models" / "heart-compact" / "README.md"]
LONGEST = 45  # words in a sentence
OWN_WORDS = r"\b(?:arms|wishes|crew|studio|enrich\w*|handed|gone on|is told|are told|is none|are none|said of)\b"
NEVER = r"\b(?:of which|asked of|is meant|what it is told|as many were|that is there already|remedy)\b"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.parts[-2:]))
def test_a_page_reads_at_once(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = [found.group() for found in re.finditer(f"{OWN_WORDS}|{NEVER}", _prose(text), re.IGNORECASE)]
    assert found == []
    assert [sentence for sentence in _sentences(text) if len(sentence.split()) > LONGEST] == []


def _prose(text: str) -> str:
    """Markdown without code, and links as their words."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "CODE", text))


def _sentences(text: str) -> Iterator[str]:
    """Sentences of paragraphs and points; each cell of a table counts by itself, headings do not."""
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*#|]|\d+\.)\s)", _prose(text)):
        parts = block.split("|") if block.lstrip().startswith("|") else [block]
        for part in parts:
            if not part.startswith("#"):
                yield from re.split(r"(?<=[.!?])\)?\s+(?=[A-Z0-9*(])", " ".join(part.split()))
