"""Guided edits: markups as control domains, targets and outcomes."""
