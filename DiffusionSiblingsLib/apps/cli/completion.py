"""Values that the shell completes: tissues, presets, models, checks. Nothing here loads numpy, scipy or torch.

Files need nothing of ours: a shell completes file names where a command offers no values.
"""

from __future__ import annotations

from collections.abc import Iterable

import typer

from ...control.preset_file import preset_help
from ...core.anatomy import load_anatomy, resource_folder
from ...core.errors import SiblingsError
from ...metrics.acceptance_help import gate_help
from ...models.registry import find_model, installed_models

Offers = list[tuple[str, str]]  # a value, and what it means


def tissues(ctx: typer.Context, incomplete: str) -> Offers:
    """Tissues of the chosen model's anatomy, several with commas."""
    return _next_in_list(incomplete, _tissues(ctx))


def tissues_or_all(ctx: typer.Context, incomplete: str) -> Offers:
    """Tissues, or "all" of them."""
    return _next_in_list(incomplete, [*_tissues(ctx), ("all", "every tissue that is not asked to change")])


def regions(ctx: typer.Context, incomplete: str) -> Offers:
    """Tissues, or "whole" for the heart."""
    return _next_in_list(incomplete, [*_tissues(ctx), ("whole", "the whole heart")])


def presets(ctx: typer.Context, incomplete: str) -> Offers:
    """Presets of the chosen model's anatomy, several with commas."""
    return _next_in_list(incomplete, preset_help(_anatomy(ctx)).items())


def checks(incomplete: str) -> Offers:
    """Acceptance checks, several with commas."""
    return _next_in_list(incomplete, gate_help().items())


def models() -> Offers:
    """Installed models."""
    return [(card.id, card.anatomy) for card in installed_models()]


def anatomies() -> list[str]:
    """Anatomy files."""
    return _stems("Anatomies")


def configurations() -> list[str]:
    """Training configurations."""
    return _stems("Training")


def _stems(folder: str) -> list[str]:
    return sorted(path.stem for path in (resource_folder() / folder).glob("*.json"))


def _anatomy(ctx: typer.Context) -> str:
    """The anatomy of --model as far as it is typed and installed."""
    try:
        return find_model(*filter(None, [ctx.params.get("model")])).anatomy
    except SiblingsError:
        return "heart"


def _tissues(ctx: typer.Context) -> Offers:
    return [(tissue.id, tissue.name) for tissue in load_anatomy(_anatomy(ctx)).tissues]


def _next_in_list(incomplete: str, values: Iterable[tuple[str, str]]) -> Offers:
    """The values behind what stands before the last comma, without those that stand there already."""
    before = incomplete[:incomplete.rfind(",") + 1]
    there = before.split(",")
    return [(f"{before}{value}", words) for value, words in values if value not in there]
