"""Cohorts: which label maps a folder holds, what they measure, and how two cohorts lie to each other. Plain layer."""

from __future__ import annotations

from .compare import Comparison, Figure, compare_cohorts
from .measured import MeasuredCohort, MeasuredMember, measure_cohort, measure_member
from .members import Member, find_members, read_member

__all__ = [
    "Comparison",
    "Figure",
    "MeasuredCohort",
    "MeasuredMember",
    "Member",
    "compare_cohorts",
    "find_members",
    "measure_cohort",
    "measure_member",
    "read_member",
]
