"""What the acceptance checks ask, in words. Light: the command line's help imports it without numpy."""

from __future__ import annotations

SHARE_PERCENT = 1.0  # of the wall that may be thinner: below that a map of 1.4 mm voxels cannot tell
MOST_CUBES, MOST_GAP_ML = 300.0, 0.1  # siblings of 1.4 mm voxels have 60 to 90 such cubes, segmented hearts 80 to 700
EXAMPLE = "for example components,contacts,thin-walls:2"
HELP = {
    "components": "Myo, LV, RV, LA and RA are one piece each; components:ML ignores pieces smaller than ML ml "
                  "(default 0)",
    "contacts": "tissues that must touch do touch (LV-Ao, LV-Myo, ...), and tissues that must not touch do not",
    "thin-walls": "the wall of the left ventricle is thinner than MM mm on at most PERCENT % of its area; write "
                  f"thin-walls:MM or thin-walls:MM:PERCENT (default PERCENT {SHARE_PERCENT:g})",
    "loops": "no chamber has a handle, that is, blood that flows around a bridge of another tissue (first Betti "
             "number 0)",
    "meshable": "a mesh needs little repair: at most CUBES cubes of 2 x 2 x 2 voxels in which a tissue touches itself "
                "along an edge or a corner only, no gap of more than ML ml in tissue, and each required contact is an "
                f"area; write meshable:CUBES:ML (default {MOST_CUBES:g}:{MOST_GAP_ML:g}; with 0:0, none)",
    "hollows": "chambers contain no enclosed foreign voxels, such as a floating papillary muscle (second Betti "
               "number 0)",
}


def gate_help() -> dict[str, str]:
    """Every check's name and what it asks, for the help of commands."""
    return dict(HELP)
