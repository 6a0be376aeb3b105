"""What a guided effect asks for: known before the twin is read, and sent to the worker with it (no Qt)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.presets import PRESETS
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsUI.guide.live import placing
from DiffusionSiblingsUI.rich_text import sentence
from DiffusionSiblingsUI.runs.edits import Task, prepared
from DiffusionSiblingsUI.runs.operation import Steps
from DiffusionSiblingsUI.scene.bridge import Bridged

VOLUME, DOMAINS = "volume", "domains"  # kinds of goals besides the presets' names
GOALS = (VOLUME, *PRESETS, DOMAINS)
TOPOLOGY = ("atria-separate", "one-piece")  # presets that have no amount
SCALED = tuple(name for name in PRESETS if name not in TOPOLOGY)
RATIOS = (  # the highest ratio of each row, and what a guided sibling is like at it
    (0.28, _("Apart from that, only the local shape of walls varies: the result is the twin with this change.")),
    (0.65, _("Apart from that, the shape of the whole heart varies.")),
    (1.0, _("Apart from that, nearly everything varies; the sibling resembles the twin only faintly.")),
)


@dataclass(frozen=True)
class Goal:
    """What the sibling must have.

    kind: VOLUME (of one tissue), a preset's name, or DOMAINS (nothing but what the markups ask). tissue: of VOLUME.
    change: share of the twin's volume that is added, or the preset's amount. hold: the tissues that nothing is asked of
    keep their volumes. domains: what markups ask besides, in the world frame, None if they are not to count.
    """

    kind: str
    tissue: str = ""
    change: float = 0.2
    hold: bool = True
    domains: Control | None = None


def guided(task: Task, goal: Goal) -> Steps[Task]:
    """The same task with the goal in its requests and targets. Raises SiblingsError."""
    control, targets = goal.domains, targets_of(goal)
    if goal.kind == VOLUME and not targets.get("preset") and goal.change:
        task = yield from prepared(task)
        own = yield from _volume(goal, task.twin, load_anatomy())
        control = own if control is None else own.merged(control)
    requests = tuple(replace(request, control=control) for request in task.requests)
    return replace(task, requests=requests, targets=targets)


def targets_of(goal: Goal) -> dict[str, Any]:
    """What the worker gets of a goal by name: it places boxes along the model's own axes, which is quickest."""
    targets: dict[str, Any] = {"hold": ["all"]} if goal.hold else {}
    if goal.kind == VOLUME:
        name = f"{'enlarge' if goal.change > 0 else 'shrink'}-{goal.tissue.lower()}"
        if not goal.change:
            targets["hold"] = targets.get("hold", [goal.tissue])
        elif name in PRESETS:
            targets |= {"preset": [name], "amount": abs(goal.change)}
    elif goal.kind != DOMAINS:
        targets["preset"] = [goal.kind]
        if goal.kind not in TOPOLOGY:
            targets["amount"] = goal.change
    return targets


def _volume(goal: Goal, bridged: Bridged, anatomy: Anatomy) -> Steps[Control]:
    """The volume of a tissue for which there is no preset, in a box along the world's axes."""
    twin = yield from placing(bridged, anatomy)
    domain = twin.around((goal.tissue,))
    yield None
    return Control((domain,), (Term(domain.name, "mass", Target(times=1.0 + goal.change)),))


def goal_title(kind: str) -> str:
    """What a kind of goal is called in a list."""
    words = {VOLUME: _("Volume of the selected segment"), DOMAINS: _("Control domains in the scene")}
    return words.get(kind) or _("Preset: {name}").format(name=kind.replace("-", " "))


def goal_words(kind: str, selected: str, marked: str) -> str:
    """What a goal means, in a sentence. selected: name of the segment. marked: names of the scene's control domains."""
    if kind == VOLUME:
        return _("{segment} gets this volume.").format(segment=selected) if selected \
            else _("The selected segment gets this volume.")
    if kind == DOMAINS:
        return _("Targets of {names}.").format(names=marked) if marked \
            else _("The Diffusion Siblings module turns markups into control domains.")
    return sentence(PRESETS[kind])


def ratio_words(ratio: float) -> str:
    """What a sampling ratio means for a guided sibling."""
    return next((words for highest, words in RATIOS if ratio <= highest), RATIOS[-1][1])
