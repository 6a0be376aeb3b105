"""Cohorts of label maps in the scene."""
