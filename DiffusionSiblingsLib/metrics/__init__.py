"""Measurements and checks of finished label maps, and the papers' metrics of cohorts. Nothing here loads torch."""
