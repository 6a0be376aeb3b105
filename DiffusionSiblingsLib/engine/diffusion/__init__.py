"""Diffusion in a latent grid, for any callable denoiser: preconditioning, schedule, noise, sampler and edits.

Nothing here knows a network or a kind of guidance. A denoiser is `D(z, sigma) -> z0_hat` with z and z0_hat
(B, C, d, h, w) in the same dtype and sigma a scalar or (B,) tensor.
"""
