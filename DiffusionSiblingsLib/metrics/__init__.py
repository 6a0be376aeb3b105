"""Measurements of label maps (morphology, topology, overlap) and of cohorts (features, point clouds). Plain layer."""
