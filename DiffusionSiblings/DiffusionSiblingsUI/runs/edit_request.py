"""From the panel's parameters to a task, and what to say about them (no Qt)."""

from __future__ import annotations

from typing import Any

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsUI.guide import domains, targets
from DiffusionSiblingsUI.guide import request as guide_request
from DiffusionSiblingsUI.runs.edits import REGION_TO_COME, Task
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import markups, terminology

EDITS = ("perturb", "inpaint", "generate")
REGIONS = ("tissues", "roi", "segment")
# docs/choosing-an-edit.md: the highest ratio of each row, and what changes at it.
PERTURB_SCALES = (
    (0.02, "nothing but what the model cannot store (the reconstruction)"),
    (0.28, "local wall shape"),
    (0.43, "shape of a chamber or valve region"),
    (0.65, "size and proportion of chambers; an unusual twin becomes more ordinary"),
    (0.95, "nearly everything; faint likeness to the twin"),
    (1.0, "everything; the twin plays no part"),
)
INPAINT_SCALES = (
    (0.02, "nothing but what the model cannot store"),
    (0.43, "details of the chosen part; it stays near its present shape"),
    (0.95, "the chosen part, starting from its present shape"),
    (1.0, "the chosen part is drawn anew, whatever it was; the rest of the heart stays"),
)
WORDS = {
    "perturb": "Siblings that differ from the twin everywhere.",
    "inpaint": "Siblings that differ from the twin in the chosen part only; the rest stays, voxel for voxel.",
    "generate": "New hearts that have no twin.",
}


def task_of(context: Any) -> Task:
    """The task that the panel describes. Raises InputError with what is missing."""
    parameters = context.parameters
    settings = {"count": parameters.count, "seed": parameters.seed, "steps": parameters.steps,
                "repair": parameters.repair}
    where = {"model": parameters.model, "device": parameters.device}
    if reason := missing(context):
        raise InputError("The edit cannot start", value=reason)
    if parameters.guide:
        settings["control"] = guide_request.control_from(None, markups=True)
        where["wishes"] = PresetsAndHolds(hold=held_tissues(parameters)).to_json()
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


def missing(context: Any) -> str:
    """What has to be chosen before the edit can start, "" if nothing."""
    parameters = context.parameters
    if parameters.edit != "generate" and (reason := _missing_twin(context)):
        return reason
    return _missing_target(parameters) if parameters.guide else ""


def _missing_twin(context: Any) -> str:
    parameters = context.parameters
    if parameters.twin is None:
        return "Choose a twin first (section Twin)"
    if warning := terminology.twin_warning(parameters.twin, context.tissue_of, context.anatomy):
        return warning
    if parameters.edit == "inpaint":
        return _missing_region(parameters)
    return ""


def _missing_target(parameters: Any) -> str:
    """What keeps the guide from being used."""
    if parameters.edit == "generate" and held_tissues(parameters):
        return "A new heart has no twin whose volumes it could keep: untick them in the section Guide"
    asking = 0
    for node in domains.find_domains():
        try:
            on = sum(term.on for term in domains.read_settings(node).terms)
        except InputError as error:
            return error.message()
        if on and not markups.is_placed(node):
            return f"Place {node.GetName()} in the views, or remove it from the section Guide"
        asking += on
    if not asking and not held_tissues(parameters):
        return "Ask for something in the section Guide, or switch it off there"
    return ""


def _missing_region(parameters: Any) -> str:
    if parameters.region_kind == "roi" and parameters.roi is None:
        return "Choose or place a ROI"
    if parameters.region_kind == "segment":
        node = parameters.region_segmentation
        if node is None or node.GetSegmentation().GetSegment(parameters.region_segment or "-") is None:
            return "Choose the segment that covers the region"
    if parameters.region_kind == "tissues" and not chosen_tissues(parameters):
        return "Tick the tissues to draw anew"
    return ""


def chosen_tissues(parameters: Any) -> tuple[str, ...]:
    """The tissues that an inpainting draws anew."""
    return names_of(parameters.tissues)


def held_tissues(parameters: Any) -> tuple[str, ...]:
    """The tissues that keep the twin's volume."""
    return names_of(parameters.hold)


def guide_words(parameters: Any) -> str:
    """What guides the edit, in brief; "" if nothing does."""
    if not parameters.guide:
        return ""
    terms = []
    for node in domains.find_domains():
        try:
            terms += domains.read_settings(node).terms
        except InputError:
            continue
    said = targets.terms_words(terms, held_tissues(parameters))
    return f"Guided: {said}." if said else ""


def edit_words(edit: str, tissues: tuple[str, ...], anatomy: Any) -> str:
    """What an edit does, in words, with the tissues that change because they follow the chosen ones."""
    if edit != "inpaint":
        return WORDS[edit]
    followers = (name for tissue in tissues for name in anatomy.follows.get(tissue, ()))
    follow = dict.fromkeys(name for name in followers if name not in tissues)
    names = " and ".join(anatomy.tissue(name).name.lower() for name in follow)
    return WORDS[edit] + (f" The {names} follow{'s' if len(follow) == 1 else ''}." if names else "")


def scale_words(edit: str, ratio: float) -> str:
    """What a ratio changes, in words."""
    scales = INPAINT_SCALES if edit == "inpaint" else PERTURB_SCALES
    return next((words for highest, words in scales if ratio <= highest), scales[-1][1])


def progress_words(operation: Operation) -> str:
    """What is being done and how long it will take."""
    left = operation.seconds_left
    return operation.what if left is None else f"{operation.what} - {duration(left)} left"


def duration(seconds: float) -> str:
    """Seconds as a person says them: "8 s", "1 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60 // 10 * 10} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
