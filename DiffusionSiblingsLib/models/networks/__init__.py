"""Network modules: autoencoder with a convolution and a neural-field decoder, denoiser, weight files (torch layer)."""
