"""Errors in front of a panel: no words of the command line, and names of users as they are written."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from DiffusionSiblingsUI.panel_words import HINTS, in_panel_words
from DiffusionSiblingsUI.rich_text import literal
from DiffusionSiblingsUI.runs.worker_job import error_of

from DiffusionSiblingsLib.core.errors import DeviceError, InputError, SiblingsError

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted((ROOT / "DiffusionSiblings/Resources/UI").glob("*.ui"))
OPTION = re.compile(r"(?<![\w-])--[a-z]")


def library_hints() -> list[str]:
    """Every line of the library that tells a user of an option; those of programs and studies, which Slicer never
    runs, are left out.
    """
    rooms = [path for path in (ROOT / "DiffusionSiblingsLib").rglob("*.py")
             if not {"apps", "training", "studies"} & set(path.parts)]
    found = [line for path in rooms for line in path.read_text(encoding="utf-8").splitlines()
             if OPTION.search(line) and re.search(r"hint=|rule=|\bhint\b", line)]
    return [re.sub(r".*?['\"](.*)['\"].*", r"\1", line) for line in found]


@pytest.mark.parametrize("text", library_hints())
def test_what_the_library_says_of_its_options_is_said_for_the_panel(text: str) -> None:
    said = in_panel_words(InputError("What failed", value="this", rule="a rule", hint=text))
    assert not OPTION.search(said.message()) and said.what == "What failed" and said.rule == "a rule"


def test_what_tells_of_no_option_stays_as_it_is() -> None:
    error = InputError("What failed", hint="paint the region -- slowly")
    assert in_panel_words(error) is error


def test_the_kind_and_the_log_of_an_error_stay() -> None:
    error = DeviceError("No device", rule="either --resume or --replace", hint="use --device auto")
    error.log = "words of the worker"  # type: ignore[attr-defined]
    said = in_panel_words(error)
    assert type(said) is DeviceError and said.log == error.log and "Model and device" in said.hint  # type: ignore[attr-defined]
    assert not said.rule and all(isinstance(words, str) for _pattern, words in HINTS)


def test_errors_of_the_worker_come_in_the_words_of_the_panel() -> None:
    error = error_of({"kind": "InputError", "what": "It failed", "hint": 'write --labels "LV=3"'})
    assert isinstance(error, SiblingsError) and "section Twin" in error.hint


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_labels_that_are_filled_say_whether_their_text_is_rich(form: Path) -> None:
    for label in ElementTree.parse(form).iter("widget"):
        if label.get("class") != "QLabel" or label.get("name", "").endswith(("Icon", "Space")):
            continue
        told = {entry.get("name"): "".join(entry.itertext()).strip() for entry in label.findall("property")}
        assert told.get("text") or "textFormat" in told, label.get("name")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_show_means_to_bring_into_the_views(form: Path) -> None:
    for widget in ElementTree.parse(form).iter("widget"):
        text = next(("".join(entry.itertext()).strip() for entry in widget.findall("property")
                     if entry.get("name") == "text"), "")
        if text.startswith("Show"):
            assert text in ("Show in 3D", "Show in slices", "Show in views", "Show plot", "Show measures"), text


def test_names_of_users_are_no_markup() -> None:
    assert literal("<b>LV</b> & more") == "<qt>&lt;b&gt;LV&lt;/b&gt; &amp; more</qt>" and literal("") == ""
