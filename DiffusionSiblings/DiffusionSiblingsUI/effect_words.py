"""What an effect says of a preview and of an edit, in words (no Qt)."""

from __future__ import annotations

from slicer.i18n import tr as _

from DiffusionSiblingsUI.effect_work import Applied, Made

CHAMBERS = ("LV", "RV", "LA", "RA")


def preview_text(made: Made) -> str:
    """What the previewed sibling is like next to the twin, in a line or two.

    Volumes are of what is shown. Where the masking takes part of it away, its checks are of the sibling as it was made:
    only the worker can check.
    """
    twin, row, masked = made.outcome.rows[0], made.outcome.siblings[0].row, made.masked
    parts = []
    for chamber in CHAMBERS:
        before, after = (row_of.get(f"{chamber} volume [ml]") for row_of in (twin, row))
        if masked is not None:
            after = masked.get(chamber, after)
        if before is not None and after is not None and round(float(before)) != round(float(after)):
            parts.append(f"{chamber} {float(before):.0f} \u2192 {float(after):.0f} ml")
    failed = str(row.get("failed checks", ""))
    checks = _("failed checks: {names}").format(names=failed) if failed else _("all topology checks passed")
    return _("Sibling of seed {seed}{masked}: {volumes}; {before}{checks}.").format(
        seed=made.plan.task.requests[0].seed, masked=_(" under the masking") if masked is not None else "",
        volumes=", ".join(parts) or _("chamber volumes within 1 ml of the twin's"),
        before=_("before masking ") if masked is not None else "", checks=checks)


def applied_text(applied: Applied) -> str:
    """What an Apply has done."""
    if applied.node is not applied.made.plan.node:
        return _("Added {name}.").format(name=applied.node.GetName())
    return _("{voxels} voxels of {segments} segments changed. One Undo takes all of it back.").format(
        voxels=applied.voxels, segments=applied.segments)
