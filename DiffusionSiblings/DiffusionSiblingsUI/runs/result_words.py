"""What a run came to, in words: what was made, what its checks and targets did, and what to look at (no Qt)."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsUI.guide.rows import run_notes, targets_words
from DiffusionSiblingsUI.rich_text import bold, lines, plain, sentence
from DiffusionSiblingsUI.runs.edit_request import duration
from DiffusionSiblingsUI.runs.making import gate_words


def cancelled_words(folder: str) -> str:
    """What is left of a run that was stopped."""
    text = _("Cancelled. The scene is as it was before.")
    if not folder:
        return text
    kept = _("The siblings that were finished are in {folder}. To make the rest, tick Continue an unfinished run and "
             "press Run.")
    return f"{text} {kept.format(folder=folder)}"


def unchanged_notes(record: dict[str, Any]) -> list[str]:
    """That siblings are their twin again, if any are."""
    twin = (record["twin"] or {}).get("labels_sha256")
    entries = [entry for run in record["runs"] for entry in run["siblings"]]
    same = sum(entry.get("labels_sha256") == twin for entry in entries) if twin else 0
    text = _("{count} of {whole} siblings equal the twin in every voxel: nothing could change. Enlarge the region, "
             "tick other tissues or raise the sampling ratio.")
    return [text.format(count=same, whole=len(entries))] if same else []


def result_as_html(record: dict[str, Any], seconds: float, folder: str = "") -> str:
    """What was made and where, what became of its checks and targets, and warnings. folder: in which the files stay."""
    count = sum(len(run["siblings"]) for run in record["runs"])
    if record["twin"]:
        what = _("1 sibling") if count == 1 else _("{count} siblings").format(count=count)
    else:
        what = _("1 heart") if count == 1 else _("{count} hearts").format(count=count)
    device = str(record["compute"].get("name", "")).replace("cpu", "CPU").replace("mps", _("Apple GPU"))
    text = _("Made {what} in {time} on {device}.") if device else _("Made {what} in {time}.")
    kept = _("The files are in {folder}.").format(folder=folder) if folder else ""
    notes = [*unchanged_notes(record), *(record["twin"] or {}).get("warnings", []), *run_notes(record)]
    return lines([plain(text.format(what=what, time=duration(seconds), device=device)), plain(gate_words(record)),
                  plain(targets_words(record)), plain(kept),
                  *(f"{bold(_('Note:'))} {plain(sentence(note))}" for note in dict.fromkeys(notes))])
