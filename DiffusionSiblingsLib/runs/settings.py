"""How a run is made: settings that its siblings do not depend on, apart from the model and the acceptance checks."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.defaults import DEFAULT_MODEL, GATE_LIMIT
from ..core.errors import InputError
from ..core.files import reachable
from ..labelmaps.geometry.room import check_margin

MOST_JOBS = 1000


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run.

    model, device: what computes; dtype: "float32" or "bfloat16", None for the device's own. format: of the siblings'
    files, "same" for the twin's. jobs: worker processes, 1 for none besides this one, 0 (with a cluster) for as many as
    there is room for. cluster: "" for this machine, "ray" for Ray on this machine, else the address of a Ray cluster.
    gate: names of acceptance checks ("components,contacts"), "" for none; a sibling that fails one is set aside and
    another is drawn, until enough are accepted or `limit` siblings are drawn for each one asked for. resume: continue
    the run in the folder if there is one. replace: remove it. title: of the overview; overview: whether to draw it.
    margin: mm that the siblings' grid shall reach beyond the twin's heart at least; None keeps the twin's grid, and
    extends it only within a larger one that the twin's file notes.
    """

    model: str = DEFAULT_MODEL
    device: str = "auto"
    format: str = "same"
    jobs: int = 1
    cluster: str = ""
    gate: str = ""
    limit: int = GATE_LIMIT
    resume: bool = False
    replace: bool = False
    title: str = ""
    overview: bool = True
    dtype: str | None = None
    margin: float | None = None

    def __post_init__(self) -> None:
        reachable(self.model)  # a name or a folder
        check_margin(self.margin)
        least = 0 if self.cluster else 1
        if not least <= self.jobs <= MOST_JOBS:
            raise InputError("The number of jobs cannot be used", value=self.jobs,
                             rule=f"a whole number from {least} to {MOST_JOBS}")
        if self.limit < 1:
            raise InputError("The limit of draws cannot be used", value=self.limit, rule="a whole number, 1 or more")
        if self.resume and self.replace:
            raise InputError("A run cannot be resumed and replaced at once", rule="either --resume or --replace",
                             hint="choose one of the two")
