"""Installed models: networks, weight files, model cards and the registry. Only `networks` imports torch."""
