"""Errors of the library in the words of the panels: where they tell of the command line, what to press in Slicer."""

from __future__ import annotations

import re

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.i18n import tr as _

_TOLD = re.compile(r"(?<![\w-])--[a-z][a-z-]*|`siblings [a-z]+|\bsiblings (?:guide|measure|inspect|perturb|mesh)\b")
# What an error tells of the command line, and what helps in Slicer; the first that is found counts.
HINTS = (
    (r"--resume,\sreplace\sit", _("choose another folder, or tick Replace earlier meshes in the section Mesh")),
    (r"--surface|--for", _("choose Tetrahedra or other formats in the section Mesh")),
    (r"--edge", _("choose another edge length in the section Mesh")),
    (r"--walls|--valves", _("choose other walls and valves to grow, or another thickness, in the section Mesh")),
    (r"--labels|--numbering", _("choose the tissue of each segment in the table of the section Twin")),
    (r"--resume|--replace", _("choose another folder, or tick Continue an unfinished run to add to the run that is "
                              "there")),
    (r"--out", _("choose another folder, one that you may change and whose disk has space")),
    (r"--jobs", _("lower the number of parallel processes in More settings")),
    (r"--device", _("choose another device in the section Model and device")),
    (r"--steps", _("change the number of steps in More settings")),
    (r"--gate", _("change the acceptance checks in More settings")),
    (r"--count", _("make more siblings")),
    (r"--model", _("choose another model in the section Model and device")),
    (r"--edit|--box|--region|--tissues", _("choose tissues, a box or a painted segment")),
    (r"--ratio", _("change the sampling ratio")),
    (r"--preset|--hold|--control|siblings\s(?:guide|measure)", _("set targets in the section Guide")),
)


def in_panel_words(error: SiblingsError) -> SiblingsError:
    """The same error for people in front of a panel; one that tells of no command line is returned as it is."""
    if not any(_TOLD.search(str(part)) for part in (error.rule, error.hint)):
        return error
    said = str(error.hint) if _TOLD.search(str(error.hint)) else str(error.rule)
    hint = next((words for pattern, words in HINTS if re.search(pattern, said)), "")
    again = type(error)(error.what, value=error.value, rule="" if _TOLD.search(str(error.rule)) else error.rule,
                        hint=hint if _TOLD.search(str(error.hint)) else error.hint)
    again.__cause__ = error
    if log := getattr(error, "log", ""):
        again.log = log  # type: ignore[attr-defined]
    return again
