"""Measurements of label maps: morphology, topology and overlap. Plain layer: numpy and cc3d only."""
