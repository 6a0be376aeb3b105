"""Baselines for siblings: PCA of signed distances (numpy), and a VAE with one global latent vector (torch)."""
