"""What the commands that make siblings do. The engine is imported once everything that was typed has been checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...control.control import read_control
from ...core.anatomy import load_anatomy
from ...core.names import names_of
from ...core.record import readable_record
from ...editing.guide_rules import guided_request
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...labelmaps.label_options import parse_labels
from ...labelmaps.region import parse_box
from ...models.registry import find_model
from .edit_options import Demo, Generate, Guide, Inpaint, Perturb, Reconstruct, Region

Edited = Generate | Perturb | Inpaint | Guide | Reconstruct


def generate(options: Generate) -> int:
    """siblings generate."""
    return _run(options, [Request("generate", **_common(options))])


def perturb(options: Perturb) -> int:
    """siblings perturb TWIN: one request for each ratio, with the same seed, so that they differ in the ratio alone."""
    requests = [Request("perturb", ratio=ratio, **_common(options)) for ratio in options.ratio]
    return _run(options, requests, PresetsAndHolds(hold=names_of(options.hold)))


def inpaint(options: Inpaint) -> int:
    """siblings inpaint TWIN."""
    request = Request("inpaint", method=options.method, ratio=options.ratio, resample=options.resample,
                      **_region(options), **_common(options))
    return _run(options, [request], PresetsAndHolds(hold=names_of(options.hold)))


def guide(options: Guide) -> int:
    """siblings guide [TWIN]: targets on top of generate, perturb or inpaint."""
    anatomy = load_anatomy(find_model(options.model).anatomy)
    control = read_control(options.control, anatomy) if options.control else None
    shorthand = PresetsAndHolds(names_of(options.preset), options.amount, names_of(options.hold),
                                names_of(options.want))
    request = guided_request(control, shorthand, twin=options.twin is not None, ratio=options.ratio,
                             region=_region(options), guider=options.guider, parsing=options.parsing,
                             **_common(options))
    return _run(options, [request], shorthand, control=options.control)


def reconstruct(options: Reconstruct) -> int:
    """siblings reconstruct TWIN."""
    return _run(options, [Request("reconstruct", overwrite=options.overwrite)])


def _common(options: Generate | Perturb | Inpaint | Guide) -> dict[str, Any]:
    return {"count": options.count, "seed": options.seed, "first": options.first, "steps": options.steps,
            "solver": options.solver, "overwrite": options.overwrite, "repair": not options.no_repair}


def _region(options: Region) -> dict[str, Any]:
    """Where an inpainting may act."""
    return {"tissues": names_of(options.edit), "box": parse_box(options.box) if options.box else None,
            "region": str(options.region.resolve()) if options.region else None}


def _run(options: Edited, requests: list[Request], shorthand: PresetsAndHolds | None = None,
         control: Path | None = None) -> int:
    from .running import run_requests

    labels = None if isinstance(options, Generate) else options.labels
    return run_requests(requests, None if isinstance(options, Generate) else options.twin, options.out,
                        labels=parse_labels(labels) if labels else None, model=options.model, device=options.device,
                        format=options.format, replace=options.replace, as_json=options.json, force=options.force,
                        shorthand=shorthand,
                        margin=None if isinstance(options, Generate) else options.margin,
                        inputs=[("the control file", control)] if control else [],
                        **({} if isinstance(options, Reconstruct) else options.batch_settings()))


def demo(options: Demo) -> int:
    """siblings demo [TWIN]: perturbed and inpainted siblings of one heart; replaces an earlier demo in its folder."""
    from ...core.anatomy import resource_folder
    from .running import run_requests

    twin = options.twin or resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd"
    perturbed = [Request("perturb", ratio=ratio, seed=options.seed) for ratio in (0.2, 0.35, 0.5, 0.8)]
    inpainted = [Request("inpaint", tissues=(tissue,), ratio=1.0, seed=options.seed) for tissue in ("LV", "RV")]
    labels, requests = parse_labels(options.labels) if options.labels else None, [*perturbed, *inpainted]
    return run_requests(requests, twin, options.out, labels=labels, device=options.device,
                        margin=options.margin, replace=options.replace or _holds_demo(options.out, requests),
                        as_json=options.json)


def _holds_demo(out: Path, requests: list[Request]) -> bool:
    """Whether the run in a folder is an earlier demo, with whatever heart and seed; another run is not replaced."""
    record = readable_record(out)
    edits = [(request.edit, request.ratio, list(request.tissues)) for request in requests]
    return record is not None and edits == [
        (run["request"].get("edit"), run["request"].get("ratio"), run["request"].get("tissues"))
        for run in record.runs]
