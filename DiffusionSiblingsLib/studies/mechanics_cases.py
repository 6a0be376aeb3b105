"""The siblings of the study `mechanics`: changes of several sizes and places, and controls without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..control.placement import Placement
from ..core.defaults import GUIDED_RATIO, MULTISTEP_STEPS
from ..editing.guided_plan import make_guided
from ..editing.presets_and_holds import PresetsAndHolds
from ..editing.request import Request
from ..labelmaps.twin import open_twin
from .context import StudyContext
from .twins import TwinSource

CONTROL = "control"


@dataclass(frozen=True)
class Case:
    """A condition of the study. name: in tables. place: where the change is; CONTROL where no change of the left
    ventricle is asked for.
    """

    name: str
    place: str
    request: Request


def cases_of(context: StudyContext, twin: TwinSource) -> list[Case]:
    """All conditions, the controls last."""
    plan = context.plan
    quick: dict[str, Any] = {"solver": "dpmpp-2m", "steps": context.settings.steps or MULTISTEP_STEPS}
    guided = {**quick, "count": plan.simulated, "ratio": GUIDED_RATIO, "steps": max(quick["steps"], plan.least_guided)}
    opened = open_twin(twin.read(), context.anatomy, context.reference)
    placement = Placement.of(opened, context.anatomy, context.reference)

    def wanted(want: str, *hold: str) -> Request:
        request = context.request("perturb", **guided)
        return make_guided(request, placement, PresetsAndHolds(hold=hold, wants=(want,)), context.statistics).request

    return [
        *(Case(f"perturbed, ratio {ratio:g}", "everywhere",
               context.request("perturb", plan.simulated, ratio=ratio, **quick))
          for ratio in plan.mechanics_ratios),
        Case("LV drawn anew", "LV and its wall", context.request("inpaint", plan.simulated, tissues=("LV",),
                                                               ratio=1.0, **quick)),
        Case("wall +2 mm, LV held", "LV wall", wanted("wall thickness=+2mm", "LV")),
        Case("aortic annulus +10 %", "aortic annulus", wanted("aortic annulus diameter=+10%", "LV", "Myo")),
        Case("ratio 0", CONTROL, context.request("perturb", 1, ratio=0.0, **quick)),
        Case("RA drawn anew", CONTROL, context.request("inpaint", plan.simulated, tissues=("RA",), ratio=1.0,
                                                    **quick)),
    ]
