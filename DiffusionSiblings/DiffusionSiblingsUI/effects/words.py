"""Sentences about a preview and about an edit (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.editing.target_rows import cavity_words
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsUI.effects.work import Applied, Made
from DiffusionSiblingsUI.guide.targets import quantity_words, value_text

CHAMBERS = ("LV", "RV", "LA", "RA")


def preview_text(made: Made) -> str:
    """What the previewed sibling is like next to the twin, in a line or two.

    Volumes are those of what is shown. Where the masking takes part of it away, the checks are those of the sibling
    before masking: only the worker can check.
    """
    twin, row, masked = made.outcome.rows[0], made.outcome.siblings[0].row, made.masked
    entry = made.outcome.siblings[0].entry
    asked = {target["domain"] for target in entry.get("guidance") or () if masked is None}  # each has its own line
    parts = []
    for chamber in (chamber for chamber in CHAMBERS if chamber not in asked):
        before, after = (row_of.get(tissue_key(chamber).title) for row_of in (twin, row))
        if masked is not None:
            after = masked.get(chamber, after)
        if before is not None and after is not None and round(float(before)) != round(float(after)):
            parts.append(f"{chamber} {float(before):.0f} \u2192 {float(after):.0f} ml")
    failed = str(row.get("failed checks", ""))
    volumes = ", ".join(parts) or ("" if asked else _("chamber volumes within 1 ml of the twin's"))
    heading = _("Sibling of seed {seed}") if masked is None else _("Sibling of seed {seed} after masking")
    text = heading.format(seed=made.plan.task.requests[0].seed)
    said = "; ".join(part for part in (volumes, _checks(failed, masked is not None)) if part)
    return "\n".join([f"{text}: {said}.", *_notes(made)])


def _checks(failed: str, masked: bool) -> str:
    """How the checks of the sibling went, before masking where there is any."""
    if failed:
        text = _("checks that failed before masking: {names}") if masked else _("failed checks: {names}")
        return text.format(names=failed)
    return _("all topology checks passed before masking") if masked else _("all topology checks passed")


def _notes(made: Made) -> list[str]:
    """What became of the goal, warnings about it from before, and gaps that are left in a tissue."""
    entry = made.outcome.siblings[0].entry
    return [*guidance_lines(entry, made.masked is not None), *made.warnings, *cavity_words(entry.get("repair"))]


def guidance_lines(entry: Mapping[str, Any], masked: bool = False) -> list[str]:
    """What a guided sibling has of its targets, a line for each; held volumes share one line.

    entry: of the sibling in a record. masked: part of the sibling is not shown, but was measured.
    """
    targets = entry.get("guidance") or []
    held = [target for target in targets if target["quantity"] == "mass" and target["asked"] == target["before"]]
    lines = [_line(target) for target in targets if target not in held or not target["reached"]]
    kept = sum(target["reached"] for target in held)
    if kept:
        most = max(target["error"] for target in held if target["reached"])
        lines.append(_("Held: {kept} of {all} volumes, within {most:.1%}").format(kept=kept, all=len(held), most=most))
    if lines and masked:
        lines.insert(0, _("Before masking:"))
    return lines + list(entry.get("guidance_notes") or ())


def _line(target: Mapping[str, Any]) -> str:
    """ "RV: volume 93.1 ml -> 111.6 ml (asked 111.7 ml): reached"."""
    quantity, unit = target["quantity"], target["unit"]
    before, asked, achieved = (value_text(quantity, target[key], unit) for key in ("before", "asked", "achieved"))
    change = achieved if target["before"] is None or before == achieved else f"{before} \u2192 {achieved}"
    return _("{domain}: {name} {change} (target {asked}): {verdict}").format(
        domain=target["domain"], name=quantity_words(quantity, unit).lower(), change=change, asked=asked,
        verdict=_("reached") if target["reached"] else _("not reached"))


def applied_text(applied: Applied) -> str:
    """What an Apply has done."""
    made = applied.made
    text = _("Changed {voxels} voxels in {segments} segments. One Undo reverts all of it.").format(
        voxels=applied.voxels, segments=applied.segments)
    if applied.node is not made.plan.node:
        text = _("Added {name}.").format(name=applied.node.GetName())
    return "\n".join([text, *_notes(made)])
