"""What the acceptance checks ask, in words. Light: the command line's help imports it without numpy."""

from __future__ import annotations

SHARE_PERCENT = 1.0  # of the wall that may be thinner: below that a map of 1.4 mm voxels cannot tell
EXAMPLE = "for example components,contacts,thin-walls:2"
HELP = {
    "components": "Myo, LV, RV, LA and RA are one piece each; components:ML ignores pieces smaller than ML ml "
                  "(default 0)",
    "contacts": "tissues that must touch do touch (LV-Ao, LV-Myo, ...), and tissues that must not touch do not",
    "thin-walls": "the wall of the left ventricle is thinner than MM mm on at most PERCENT % of its area; write "
                  f"thin-walls:MM or thin-walls:MM:PERCENT (default PERCENT {SHARE_PERCENT:g})",
    "loops": "no chamber has a handle, that is, blood that flows around a bridge of another tissue (first Betti "
             "number 0)",
    "hollows": "chambers contain no enclosed foreign voxels, such as a floating papillary muscle (second Betti "
               "number 0)",
}


def gate_help() -> dict[str, str]:
    """Every check's name and what it asks, for the help of commands."""
    return dict(HELP)
