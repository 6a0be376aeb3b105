"""From the panel's parameters to a task, and the sentences that describe them (no Qt)."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError, SiblingsError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsUI.guide import domains, targets
from DiffusionSiblingsUI.guide import request as guide_request
from DiffusionSiblingsUI.panel_words import in_panel_words
from DiffusionSiblingsUI.rich_text import sentence
from DiffusionSiblingsUI.runs.arguments import asked_steps
from DiffusionSiblingsUI.runs.edits import REGION_TO_COME, Task
from DiffusionSiblingsUI.runs.making import Making, gate_of
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import markups, terminology
from DiffusionSiblingsUI.scene.grid import to_world

EDITS = ("perturb", "inpaint", "generate")
REGIONS = ("tissues", "roi", "segment")
# docs/choosing-an-edit.md: the highest ratio of each row, and what changes at it.
PERTURB_SCALES = (
    (0.02, _("Nothing changes, except what the model cannot represent (a reconstruction).")),
    (0.28, _("The local shape of walls changes.")),
    (0.43, _("The shape of a chamber or a valve region changes.")),
    (0.65, _("The size and proportions of chambers change; an unusual twin becomes more ordinary.")),
    (0.95, _("Nearly everything changes; the sibling resembles the twin only faintly.")),
    (1.0, _("Everything changes; the twin has no influence.")),
)
INPAINT_SCALES = (
    (0.02, _("Nothing changes, except what the model cannot represent.")),
    (0.43, _("Details of the chosen part change; it stays close to its present shape.")),
    (0.95, _("The chosen part changes, starting from its present shape.")),
    (1.0, _("The chosen part is drawn anew, whatever its present shape; the rest of the heart stays.")),
)
WORDS = {
    "perturb": _("Makes siblings that differ from the twin everywhere."),
    "inpaint": _("Makes siblings that differ from the twin in the chosen part only. The rest stays, voxel for voxel."),
    "generate": _("Makes new hearts that have no twin."),
}


def task_of(context: Any) -> Task:
    """The task that the panel describes. Raises InputError with what is missing."""
    parameters = context.parameters
    settings = {"count": parameters.count, "seed": parameters.seed, "steps": asked_steps(parameters.steps),
                "repair": parameters.repair}
    where: dict[str, Any] = {"model": parameters.model, "device": parameters.device, "making": making_of(parameters)}
    if reason := missing(context):
        raise InputError(_("The edit cannot start"), value=reason)
    if parameters.guide:
        settings["control"] = guide_request.control_from(None, markups=True)
        where["targets"] = PresetsAndHolds(hold=held_tissues(parameters), wants=wanted(parameters)).to_json()
    if parameters.edit == "generate":
        settings["control"] = guide_request.as_canonical(settings.get("control"))
        return Task((Request("generate", **settings),), **where)
    settings["overwrite"] = parameters.overwrite
    twin = {"twin": parameters.twin, "tissue_of": context.tissue_of, **where}
    if parameters.edit == "perturb":
        return Task((Request("perturb", ratio=parameters.ratio, **settings),), **twin)
    roi = parameters.roi if parameters.region_kind == "roi" else None
    segment = (parameters.region_segmentation, parameters.region_segment)
    painted = segment if parameters.region_kind == "segment" else None
    request = Request("inpaint", ratio=parameters.inpaint_ratio, tissues=chosen_tissues(parameters),
                      region=REGION_TO_COME if roi or painted else None, method=parameters.method,
                      resample=parameters.resample, **settings)
    return Task((request,), roi=roi, segment=painted, **twin)


def making_of(parameters: Any) -> Making:
    """How the panel wants a run to be made."""
    resume = bool(parameters.folder) and parameters.resume
    gate = gate_of(parameters.checks, parameters.wall)
    return Making(gate, parameters.most_drawn, parameters.jobs, parameters.folder, resume)


def missing(context: Any) -> str:
    """What has to be chosen before the edit can start, "" if nothing."""
    parameters = context.parameters
    if parameters.edit != "generate" and (reason := _missing_twin(context)):
        return reason
    return _missing_target(parameters) if parameters.guide else ""


def _missing_twin(context: Any) -> str:
    parameters = context.parameters
    if parameters.twin is None:
        return _("Choose a twin in the section Twin")
    if warning := terminology.twin_warning(parameters.twin, context.tissue_of, context.anatomy):
        return warning
    if reason := twin_problem(context):
        return reason
    if parameters.edit == "inpaint":
        return _missing_region(parameters)
    return ""


def twin_problem(context: Any) -> str:
    """What an edit would refuse about the twin's voxels or its place; "" if nothing is known against it."""
    try:
        to_world(context.parameters.twin)
    except SiblingsError as error:
        return reason_of(error)
    state = context.twin_checks.state_of(context.parameters.twin, context.tissue_of)
    return reason_of(state.problem) if state is not None and state.problem is not None else ""


def reason_of(error: SiblingsError) -> str:
    """An error in one or two sentences: what it is, and what to do."""
    said = in_panel_words(error)
    what = f"{said.what}: {said.value}" if said.value else said.what
    return " ".join(sentence(part) for part in (what, said.hint) if part)


def _missing_target(parameters: Any) -> str:
    """What keeps the guide from being used."""
    if parameters.edit == "generate" and held_tissues(parameters):
        return _("A new heart has no twin whose volumes it could keep: untick the held volumes in the section Guide")
    asking = 0
    for node in domains.find_domains():
        try:
            on = sum(term.on for term in domains.read_settings(node).terms)
        except InputError as error:
            return error.message()
        if on and not markups.is_placed(node):
            return _("Place {name} in the views, or remove it in the section Guide").format(name=node.GetName())
        asking += on
    if not asking and not held_tissues(parameters) and not wanted(parameters):
        return _("Set a target in the section Guide, or switch the guide off there")
    return ""


def _missing_region(parameters: Any) -> str:
    if parameters.region_kind == "roi" and (parameters.roi is None or not markups.is_placed(parameters.roi)):
        return _("Choose a ROI, or press Place box")
    if parameters.region_kind == "segment":
        node = parameters.region_segmentation
        if node is None or node.GetSegmentation().GetSegment(parameters.region_segment or "-") is None:
            return _("Choose the segment that covers the region")
    if parameters.region_kind == "tissues" and not chosen_tissues(parameters):
        return _("Tick the tissues to draw anew")
    return ""


def chosen_tissues(parameters: Any) -> tuple[str, ...]:
    """The tissues that an inpainting draws anew."""
    return names_of(parameters.tissues)


def held_tissues(parameters: Any) -> tuple[str, ...]:
    """The tissues that keep the twin's volume."""
    return names_of(parameters.hold)


def wanted(parameters: Any) -> tuple[str, ...]:
    """The volumes and measures by name that are asked for, as they were typed."""
    return names_of(parameters.wants)


def guide_words(parameters: Any) -> str:
    """What guides the edit, in brief; "" if nothing does."""
    if not parameters.guide:
        return ""
    terms: list[Any] = []
    for node in domains.find_domains():
        try:
            terms += domains.read_settings(node).terms
        except InputError:
            continue
    said = [targets.terms_words(terms, held_tissues(parameters)), *wanted(parameters)]
    shown = ", ".join(part for part in said if part)
    return _("Guided by {targets}.").format(targets=shown) if shown else ""


def edit_words(edit: str, tissues: tuple[str, ...], anatomy: Any) -> str:
    """What an edit does, in words, with the tissues that change because they follow the chosen ones."""
    if edit != "inpaint":
        return WORDS[edit]
    followers = (name for tissue in tissues for name in anatomy.follows.get(tissue, ()))
    follow = dict.fromkeys(name for name in followers if name not in tissues)
    if not follow:
        return WORDS[edit]
    names = [anatomy.tissue(name).name.lower() for name in follow]
    text = _("The {name} changes with it.") if len(names) == 1 else _("These tissues change with it: {name}.")
    return f"{WORDS[edit]} {text.format(name=', '.join(names))}"


def scale_words(edit: str, ratio: float) -> str:
    """What a ratio changes, in a sentence."""
    scales = INPAINT_SCALES if edit == "inpaint" else PERTURB_SCALES
    return next((words for highest, words in scales if ratio <= highest), scales[-1][1])


def progress_words(operation: Operation) -> str:
    """What is being done and how long it will take."""
    left = operation.seconds_left
    if left is None:
        return operation.what
    return _("{what} - {time} left").format(what=operation.what, time=duration(left))


def duration(seconds: float) -> str:
    """Seconds as a person says them: "8 s", "1 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 600:
        return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60 // 10 * 10)
    if whole < 3600:
        return _("{minutes} min").format(minutes=whole // 60)
    return _("{hours} h {minutes} min").format(hours=whole // 3600, minutes=whole % 3600 // 60)
