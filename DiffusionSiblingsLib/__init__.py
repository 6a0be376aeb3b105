"""Digital siblings of digital twins: variants of a multi-tissue label map made with a latent diffusion model."""

__version__ = "0.1.0"
