"""Guided sampling: measure a clean latent, compare with what was asked for, and step towards it (Anatomica)."""
