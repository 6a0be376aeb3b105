"""Cohorts: which label maps a folder holds, what they measure, and how two cohorts compare. Never loads torch."""
