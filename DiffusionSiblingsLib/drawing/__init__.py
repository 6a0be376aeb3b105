"""Anatomies drawn from published morphometry, each with its exact ground truth. Plain: numpy and scipy only."""
