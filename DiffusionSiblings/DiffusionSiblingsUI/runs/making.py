"""How the siblings of a run are made, besides what is asked for: acceptance checks, processes, and the files that stay.

The names are those of the command line. No Qt, and nothing of the library that takes time to load.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy.typing as npt
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.defaults import GATE_LIMIT
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsUI.setup import environment

MOST_JOBS, MOST_DRAWN = 1000, 100_000
WALL = "thin-walls"  # the check that has a thickness


class CheckWords(NamedTuple):
    """label: beside the tick box. tip: over it."""

    label: str
    tip: str


CHECKS = {
    "components": CheckWords(_("Each tissue is in one piece"),
                             _("The myocardium, both ventricles and both atria are one connected piece each.")),
    "contacts": CheckWords(_("Tissues touch where they must, and nowhere else"),
                           _("Required contacts are there, such as left ventricle and aorta; forbidden ones are not, "
                             "such as left and right atrium.")),
    "loops": CheckWords(_("No chamber has a loop"),
                        _("No bridge of other tissue runs through a chamber, around which blood could flow.")),
    "hollows": CheckWords(_("No chamber has a hollow"),
                          _("Nothing floats inside a chamber: no island of other tissue and no hole.")),
    "meshable": CheckWords(_("A mesh needs little repair"),
                           _("Few tissues touch themselves along an edge only, there is no gap in tissue, and required "
                             "contacts are areas.")),
    WALL: CheckWords("", ""),  # in the form, beside its thickness
}


class Options(TypedDict, total=False):
    """How a run is made, for the Python console: gate, gate_limit, jobs, out and resume of the command line."""

    gate: str | Sequence[str]
    gate_limit: int
    jobs: int
    out: str | Path
    resume: bool


@dataclass(frozen=True)
class Making:
    """gate: acceptance checks ("components,contacts"), "" for none; limit: siblings that are drawn at most for each one
    asked for. jobs: parallel processes. folder: where the run folder stays, "" if only the scene keeps the run. resume:
    continue the unfinished run in that folder.
    """

    gate: str = ""
    limit: int = GATE_LIMIT
    jobs: int = 1
    folder: str = ""
    resume: bool = False

    def __post_init__(self) -> None:
        for name, value, most in (("jobs", self.jobs, MOST_JOBS), ("gate_limit", self.limit, MOST_DRAWN)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise InputError(_("The argument {name} cannot be used").format(name=name), value=value,
                                 rule=_("a whole number from 1 to {most}").format(most=most))

    @classmethod
    def of(cls, options: Options) -> Making:
        """What was given in the Python console. Raises InputError."""
        if unknown := sorted(set(options) - set(Options.__annotations__)):
            raise InputError(_("The argument is unknown"), value=", ".join(unknown),
                             rule=_("how a run is made is said by {names}").format(
                                 names=", ".join(Options.__annotations__)))
        known = {"gate": ",".join(names_of(options.get("gate", ""))), "limit": options.get("gate_limit", GATE_LIMIT),
                 "jobs": options.get("jobs", 1), "folder": str(options.get("out") or ""),
                 "resume": bool(options.get("resume", False))}
        return cls(**known)  # type: ignore[arg-type]

    def settings(self) -> dict[str, Any]:
        """What the worker is told of it. Without a folder of the user's the run is always a new one."""
        told: dict[str, Any] = {"gate": self.gate, "limit": self.limit, "jobs": self.jobs, "overview": False}
        if self.folder:
            told |= {"resume": self.resume, "overview": environment.has("matplotlib")}
        return told

    def region_name(self, mask: npt.NDArray[Any]) -> str:
        """The name of the file of a region: in a folder that stays another region must not pass for the same."""
        if not self.folder:
            return "region.nrrd"
        return f"region_{hashlib.sha256(mask.astype('u1').tobytes()).hexdigest()[:12]}.nrrd"


def gate_of(checks: str, wall_mm: float) -> str:
    """Acceptance checks as the worker reads them. checks: names with commas. wall_mm: thinnest wall."""
    return ",".join(f"{name}:{wall_mm:g}" if name == WALL else name for name in CHECKS if name in names_of(checks))


def gate_words(record: Mapping[str, Any]) -> str:
    """What the acceptance checks did to a run, in a sentence; "" where there were none."""
    runs = [run for run in record["runs"] if run.get("gate")]
    if not runs:
        return ""
    drawn, accepted = (sum(int(run["gate"].get(name) or 0) for run in runs) for name in ("drawn", "accepted"))
    asked = sum(int(run["request"]["count"]) for run in runs)
    if accepted < asked:
        text = _("Only {accepted} of the {asked} siblings asked for passed the acceptance checks; {drawn} were drawn.")
        return text.format(accepted=accepted, asked=asked, drawn=drawn)
    if drawn == accepted:
        return _("All siblings passed the acceptance checks at once.")
    return _("The acceptance checks rejected {rejected} of {drawn} siblings.").format(rejected=drawn - accepted,
                                                                                     drawn=drawn)
