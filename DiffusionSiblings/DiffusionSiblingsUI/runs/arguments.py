"""Arguments as people give them in the Python console: taken where they can mean one thing only, else named.

numpy's numbers are numbers; nodes are nodes of the right class; a name of a tissue that nobody knows is refused.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.request import Request

SEGMENTATION, ROI = "vtkMRMLSegmentationNode", "vtkMRMLMarkupsROINode"
AUTOMATIC_STEPS = 1  # of a box that shows a number of steps: as many as the solver needs


def plain(value: Any) -> Any:
    """A number of numpy's as Python's own, an array as a tuple of them; all else as it is."""
    if isinstance(value, (str, bytes)) or not (hasattr(value, "dtype") and hasattr(value, "tolist")):
        return value
    found = value.tolist()
    return tuple(found) if isinstance(found, list) else found


def asked_steps(shown: int) -> int | None:
    """Solver steps as a box of the panel shows them; None where the solver chooses."""
    return shown if shown > AUTOMATIC_STEPS else None


def request_of(edit: Any, **settings: Any) -> Request:
    """A request of what was given. Raises InputError."""
    values = {name: plain(value) for name, value in settings.items()}
    if "tissues" in values:
        values["tissues"] = tissues_of(values["tissues"])
    if "box" in values:
        values["box"] = box_of(values["box"])
    return Request(edit, **values)


def box_of(given: Any) -> tuple[float, ...] | None:
    """A box, or None. Raises InputError."""
    value = plain(given)
    return None if value is None else numbers_of(value, "box", _("six numbers: x0, x1, y0, y1, z0, z1 in RAS mm"))


def ratios_of(given: Any) -> list[Any]:
    """One sampling ratio, or several. Raises InputError."""
    value = plain(given)
    if isinstance(value, numbers.Real):
        return [value]
    rule = _("a number from 0 to 1, or a list of such numbers")
    found = numbers_of(value, _("sampling ratio"), rule)
    if not found:
        raise _refused(_("sampling ratio"), given, rule)
    return list(found)


def numbers_of(given: Any, name: str, rule: str) -> tuple[float, ...]:
    """A list of numbers. Raises InputError."""
    listed = [plain(each) for each in given] if isinstance(given, Sequence) and not isinstance(given, str) else None
    if listed is None or not all(isinstance(each, numbers.Real) and not isinstance(each, bool) for each in listed):
        raise _refused(name, given, rule)
    return tuple(float(each) for each in listed)


def tissues_of(given: Any) -> tuple[str, ...]:
    """Tissues by ID, in any case of letters: "LV, RV" or ("LV", "RV"). Raises InputError for an unknown one."""
    known = {tissue.lower(): tissue for tissue in load_anatomy().ids}
    found = names_of(list(given) if isinstance(given, (set, frozenset)) else plain(given))
    if unknown := [name for name in found if name.lower() not in known]:
        raise InputError(_("The tissue is unknown"), value=", ".join(unknown),
                         rule=_("tissues are {names}").format(names=", ".join(known.values())))
    return tuple(dict.fromkeys(known[name.lower()] for name in found))


def segmentation(node: Any, name: str = "segmentationNode") -> Any:
    """A segmentation node. Raises InputError for all else, None included."""
    return _node(node, SEGMENTATION, name, _("a segmentation node, such as slicer.util.getNode(\"Synthetic heart\")"))


def roi_of(node: Any) -> Any:
    """A markups ROI node, or None. Raises InputError."""
    return None if node is None else _node(node, ROI, "roi", _("a markups ROI node"))


def painted(given: Any) -> tuple[Any, str] | None:
    """A painted region, (segmentation node, segment name or ID), or None. Raises InputError."""
    if given is None:
        return None
    from DiffusionSiblingsUI.runs.scene_edits import segment_id

    rule = _("a segmentation node and the name or ID of its segment, as segment=(node, \"Segment_1\")")
    if not isinstance(given, (tuple, list)) or len(given) != 2 or not isinstance(given[1], str):
        raise _refused("segment", given, rule)
    node = _node(given[0], SEGMENTATION, "segment", rule)
    return node, segment_id(node, given[1])


def region_of(roi: Any, segment: Any) -> str | None:
    """What stands for a region in a request until its file is written; None where there is none."""
    from DiffusionSiblingsUI.runs.edits import REGION_TO_COME

    return REGION_TO_COME if roi is not None or segment is not None else None


def check_place(tissues: Any, box: Any, region: str | None) -> None:
    """Raises InputError where an inpainting has no place at all."""
    if box is None and region is None and not tissues_of(tissues):
        raise InputError(_("Nothing is chosen to be drawn anew"), rule=_("tissues, a ROI, a painted segment or a box"),
                         hint=_("give tissues=\"LV\", roi=node, segment=(node, name) or box=(x0, x1, y0, y1, z0, z1)"))


def check_run(run: Any) -> None:
    """Raises InputError for what is no run of the scene."""
    if not (hasattr(run, "record") and hasattr(run, "twin_node")):
        raise _refused("run", run, _("a run of the scene, such as DiffusionSiblingsUI.scene.runs.find_runs()[-1]"))


def check_labels(labels: Any) -> Mapping[str, Any]:
    """What `labels` of an edit says, tissue ID -> segments. Raises InputError where it names no tissue."""
    example = _("such as labels={\"LV\": \"Segment_1\"}")
    if not isinstance(labels, Mapping):
        raise _refused("labels", labels, _("tissues with their segments, {example}").format(example=example))
    known = load_anatomy().ids
    if unknown := [str(name) for name in labels if name not in known]:
        raise InputError(_("The tissue is unknown"), value=", ".join(unknown),
                         rule=_("tissues are {names}").format(names=", ".join(known)), hint=example)
    return labels


def _node(node: Any, kind: str, name: str, rule: str) -> Any:
    if not (hasattr(node, "IsA") and node.IsA(kind)):
        raise _refused(name, node, rule)
    return node


def _refused(name: str, value: Any, rule: str) -> InputError:
    kind = value.GetClassName() if hasattr(value, "GetClassName") else type(value).__name__
    shown = kind if hasattr(value, "GetClassName") or value is None else f"{value!r:.80} ({kind})"
    return InputError(_("The argument {name} cannot be used").format(name=name), value=shown, rule=rule)
