"""Which edit a guided request becomes: the same rules and defaults for the command line, Slicer and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..control.control import Control
from ..core.defaults import GUIDED_RATIO, INPAINT_RATIO
from ..core.errors import InputError
from .presets_and_holds import PresetsAndHolds
from .request import Request


def guided_request(control: Control | None, shorthand: PresetsAndHolds, *, twin: bool, ratio: float | None = None,
                   region: Mapping[str, Any] | None = None, **settings: Any) -> Request:
    """Perturbs a twin as a whole, inpaints it where a region is given, and draws new hearts where there is no twin.

    control, shorthand: what guides the request; the shorthand is made into a control when the twin is placed. twin:
    whether there is one. ratio: None for the default of the edit. region: `tissues`, `box` and `region` of a Request.
    settings: further ones of a Request. Raises InputError where nothing guides the request, and where it refers to a
    twin that is not there.
    """
    if control is None and not shorthand:
        raise InputError("There is nothing to guide by", rule="a target, a control, a preset or tissues to hold",
                         hint='for example --want "RV volume=+20%"; `siblings guide --help` tells more')
    bounds = {name: value for name, value in (region or {}).items() if value}
    if not twin:
        if bounds or ratio is not None or shorthand.hold:
            raise InputError("The edit needs a twin", rule="a ratio, a region and tissues to hold refer to one",
                             hint="name the twin, or leave them out to draw new hearts")
        return Request("generate", control=control, **settings)
    if bounds:
        psi = INPAINT_RATIO if ratio is None else ratio
        return Request("inpaint", ratio=psi, control=control, **bounds, **settings)
    return Request("perturb", ratio=GUIDED_RATIO if ratio is None else ratio, control=control, **settings)
