"""What a sampling ratio means is said in the same words in the help, the README, the guide, errors and Slicer."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from DiffusionSiblingsLib.apps.cli import app
from DiffusionSiblingsLib.core.defaults import RATIO_WORDS
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request

ROOT = Path(__file__).resolve().parents[3]
MEANT = {"0.2": "local shape of walls", "0.5": "size and proportions of chambers", "0.8": "nearly everything",
         "1": "the twin has no influence"}


def test_the_words_name_what_each_ratio_changes() -> None:
    assert [RATIO_WORDS.index(part) for pair in MEANT.items() for part in pair] == sorted(
        RATIO_WORDS.index(part) for pair in MEANT.items() for part in pair)


def test_help_errors_readme_and_effect_have_the_same_words() -> None:
    (ratio,) = (param for param in app.load("perturb").params if param.name == "ratio")
    assert RATIO_WORDS in ratio.help  # type: ignore[attr-defined]
    assert RATIO_WORDS in (ROOT / "README.md").read_text(encoding="utf-8")
    effect = (ROOT / "DiffusionSiblings" / "Resources" / "UI" / "PerturbEffect.ui").read_text(encoding="utf-8")
    assert RATIO_WORDS in html.unescape(effect)
    with pytest.raises(InputError, match=re.escape(RATIO_WORDS)):
        Request("perturb", ratio=1.5)


def test_the_guide_and_the_panel_say_the_same_of_each_ratio() -> None:
    """The rows of the guide are the sentences of Slicer's panel, and both hold the words above."""
    guide = (ROOT / "docs" / "choosing-an-edit.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([\d.]+) \| [^\n]* \| ([^|\n]+) \|$", guide, re.MULTILINE))
    panel = ROOT / "DiffusionSiblings" / "DiffusionSiblingsUI" / "runs" / "edit_request.py"
    source = panel.read_text(encoding="utf-8").split("PERTURB_SCALES = (", 1)[1].split("\n)", 1)[0]
    said = [(float(limit), words) for limit, words in re.findall(r'\(([\d.]+), _\("([^"]+)"\)\)', source)]
    assert len(rows) == len(said) == 6
    for ratio, words in rows.items():
        assert next(sentence for limit, sentence in said if float(ratio) <= limit) == words
    for ratio, words in MEANT.items():
        assert words in rows[ratio].lower().replace("chambers change", "chambers")
