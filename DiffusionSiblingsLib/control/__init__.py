"""Control domains: where a tissue is measured, what is asked of it, and what it has. numpy at import, no torch."""

from __future__ import annotations

from .asked import Asked
from .betti import betti_numbers
from .control import SCHEMA, Control, read_control, write_control
from .domain import ControlDomain
from .measure import Measurement, Moments, measure, measured_weights, moments_of, sample
from .report import Achieved, achieved_of, columns, error_of
from .terms import QUANTITIES, Quantity, Target, Term, Value, default_tolerance, quantity_unit

__all__ = [
    "QUANTITIES",
    "SCHEMA",
    "Achieved",
    "Asked",
    "Control",
    "ControlDomain",
    "Measurement",
    "Moments",
    "Quantity",
    "Target",
    "Term",
    "Value",
    "achieved_of",
    "betti_numbers",
    "columns",
    "default_tolerance",
    "error_of",
    "measure",
    "measured_weights",
    "moments_of",
    "quantity_unit",
    "read_control",
    "sample",
    "write_control",
]
