"""Control domains: where a tissue is measured, what is asked of it, and what it has. numpy at import, no torch."""

from __future__ import annotations

from .asked import Asked
from .betti import betti_numbers
from .builders import around_tissue, between_tissues, field_of_view, lines_from, planes_along
from .control import SCHEMA, Control, read_control, write_control
from .curves import centre_line
from .domain import ControlDomain
from .levels import level_to_targets
from .measure import Measurement, Moments, measure, measured_weights, moments_of, sample
from .presets import PRESETS, hold, preset, preset_help
from .report import Achieved, achieved_of, columns, error_of
from .rounding import Likelihood, round_to_targets
from .terms import QUANTITIES, Quantity, Target, Term, Value, default_tolerance, quantity_unit

__all__ = [
    "PRESETS",
    "QUANTITIES",
    "SCHEMA",
    "Achieved",
    "Asked",
    "Control",
    "ControlDomain",
    "Likelihood",
    "Measurement",
    "Moments",
    "Quantity",
    "Target",
    "Term",
    "Value",
    "achieved_of",
    "around_tissue",
    "betti_numbers",
    "between_tissues",
    "centre_line",
    "columns",
    "default_tolerance",
    "error_of",
    "field_of_view",
    "hold",
    "level_to_targets",
    "lines_from",
    "measure",
    "measured_weights",
    "moments_of",
    "planes_along",
    "preset",
    "preset_help",
    "quantity_unit",
    "read_control",
    "round_to_targets",
    "sample",
    "write_control",
]
