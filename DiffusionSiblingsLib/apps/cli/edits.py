"""What the commands that make siblings do; the engine is imported when all that was typed has been checked."""

from __future__ import annotations

import argparse
from typing import Any

from ...control.control import read_control
from ...core.anatomy import load_anatomy
from ...core.names import names_of
from ...editing.guide_rules import guided_request
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...labelmaps.region import parse_box
from ...labelmaps.tissues import parse_labels
from ...models.registry import find_model
from .batch_options import batch_settings


def generate(arguments: argparse.Namespace) -> int:
    """siblings generate."""
    return _run(arguments, [Request("generate", **_common(arguments))])


def perturb(arguments: argparse.Namespace) -> int:
    """siblings perturb TWIN: one request for each ratio, with the same seed, so that they differ in the ratio alone."""
    requests = [Request("perturb", ratio=ratio, **_common(arguments)) for ratio in arguments.ratio]
    return _run(arguments, requests, PresetsAndHolds(hold=names_of(arguments.hold)))


def inpaint(arguments: argparse.Namespace) -> int:
    """siblings inpaint TWIN."""
    request = Request("inpaint", method=arguments.method, ratio=arguments.ratio, resample=arguments.resample,
                      **_region(arguments), **_common(arguments))
    return _run(arguments, [request], PresetsAndHolds(hold=names_of(arguments.hold)))


def guide(arguments: argparse.Namespace) -> int:
    """siblings guide [TWIN]: a control or presets on top of generate, perturb or inpaint."""
    anatomy = load_anatomy(find_model(arguments.model).anatomy)
    control = read_control(arguments.control, anatomy) if arguments.control else None
    shorthand = PresetsAndHolds(names_of(arguments.preset), arguments.amount, names_of(arguments.hold))
    request = guided_request(control, shorthand, twin=arguments.twin is not None, ratio=arguments.ratio,
                             region=_region(arguments), guider=arguments.guider, parsing=arguments.parsing,
                             **_common(arguments))
    return _run(arguments, [request], shorthand)


def reconstruct(arguments: argparse.Namespace) -> int:
    """siblings reconstruct TWIN."""
    return _run(arguments, [Request("reconstruct", overwrite=arguments.overwrite)])


def _common(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"count": arguments.count, "seed": arguments.seed, "first": arguments.first, "steps": arguments.steps,
            "overwrite": arguments.overwrite, "repair": not arguments.no_repair}


def _region(arguments: argparse.Namespace) -> dict[str, Any]:
    """Where an inpainting may act."""
    return {"tissues": names_of(arguments.edit), "box": parse_box(arguments.box) if arguments.box else None,
            "region": str(arguments.region.resolve()) if arguments.region else None}


def _run(arguments: argparse.Namespace, requests: list[Request], wishes: PresetsAndHolds | None = None) -> int:
    from .running import run_requests

    labels = parse_labels(arguments.labels) if getattr(arguments, "labels", None) else None
    return run_requests(requests, getattr(arguments, "twin", None), arguments.out, labels=labels,
                        model=arguments.model, device=arguments.device, format=arguments.format,
                        replace=arguments.replace, as_json=arguments.json, wishes=wishes, **batch_settings(arguments))


def demo(arguments: argparse.Namespace) -> int:
    """siblings demo [TWIN]: the main job on one heart, replaced at every call."""
    from ...core.anatomy import resource_folder
    from .running import run_requests

    twin = arguments.twin or resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd"
    perturbed = [Request("perturb", ratio=ratio, seed=arguments.seed) for ratio in (0.2, 0.35, 0.5, 0.8)]
    inpainted = [Request("inpaint", tissues=(tissue,), ratio=1.0, seed=arguments.seed) for tissue in ("LV", "RV")]
    labels = parse_labels(arguments.labels) if arguments.labels else None
    return run_requests([*perturbed, *inpainted], twin, arguments.out, labels=labels, device=arguments.device,
                        replace=True, as_json=arguments.json)
