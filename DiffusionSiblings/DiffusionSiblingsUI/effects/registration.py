"""Makes the effects known to every Segment Editor."""

# ruff: noqa: N813 - names that Slicer and Qt have given
from __future__ import annotations

import logging
import sys
from pathlib import Path

# Folders, and names of the effects.
EFFECTS = ("DiffusionSiblingsPerturb", "DiffusionSiblingsInpaint", "DiffusionSiblingsGuide")


def register_effects() -> None:
    """Registers the effects that are not registered yet; called once, when Slicer is up."""
    import qSlicerSegmentationsEditorEffectsPythonQt as effects
    import slicer

    for name in EFFECTS:
        if hasattr(slicer, name):  # set with the effect's first instance
            continue
        path = Path(__file__).resolve().parents[2] / name / "SegmentEditorEffect.py"
        effect = effects.qSlicerSegmentEditorScriptedEffect(None)
        if effect.setPythonSource(path.as_posix()):
            effect.self().register()
        else:
            logging.error("DiffusionSiblings: the effect %s could not be loaded from %s", name, path)


def forget_parts() -> None:
    """Has panel and effects loaded anew from their files, for developers; the worker starts again with its next job.

    Segment Editors that are made from now on get the new effects: Slicer copies them by their file. Open ones keep
    the effects that they have, and those keep the parts that they were made with.
    """
    from DiffusionSiblingsUI.runs.session import use_session

    use_session(None)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("DiffusionSiblingsUI", *EFFECTS)]:
        del sys.modules[name]
