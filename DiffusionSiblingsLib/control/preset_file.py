"""The presets of an anatomy as its data file has them. Light: the command line's help imports it without numpy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..core.anatomy import resource_folder
from ..core.errors import InputError, reason_of

SCHEMA = 1
MEASURES = "measures"  # the kind of presets that ask for measures by name, and place nothing
KINDS = ("volumes", "contact-plane", "planes-along", "wall-lines", "pieces", MEASURES)


def preset_help(anatomy_id: str = "heart") -> dict[str, str]:
    """Preset name -> one line of help, in the data file's order; empty for an anatomy without presets."""
    return {name: str(recipe["help"]) for name, recipe in recipes_of(anatomy_id).items()}


@lru_cache(maxsize=8)
def recipes_of(anatomy_id: str) -> Mapping[str, Mapping[str, Any]]:
    """Preset name -> its recipe. Raises InputError for a file that cannot be used."""
    path = resource_folder() / "Presets" / f"{anatomy_id}.json"
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA or data["anatomy"] != anatomy_id:
            raise ValueError(f"schema {data['schema']} for {data['anatomy']}, not {SCHEMA} for {anatomy_id}")
        recipes: dict[str, Mapping[str, Any]] = data["presets"]
        if unknown := {recipe["kind"] for recipe in recipes.values()} - set(KINDS):
            raise ValueError(f"unknown kinds {sorted(unknown)}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"The file of presets {path} cannot be read", value=reason_of(error),
                         rule=f"JSON of schema {SCHEMA} for the {anatomy_id}",
                         hint="install the project again") from error
    return recipes
