"""Training of the autoencoder and the denoiser; needs torch, numpy and safetensors only (torch layer, a leaf)."""
