"""A model's two decoders, in the form in which guidance reads them."""

from __future__ import annotations

from torch import Tensor

from ..models.networks.checkpoint import Networks


class ModelDecoders:
    """The two decoders of an autoencoder, as the guidance wants them."""

    def __init__(self, networks: Networks) -> None:
        self.networks, self.field = networks, networks.autoencoder.field

    def volume(self, z: Tensor) -> Tensor:
        """(B, classes, D, H, W) logits of the convolution decoder."""
        return self.networks.autoencoder.decoder(self.networks.raw(z))

    def features(self, z: Tensor) -> Tensor:
        """The field's feature grid."""
        return self.field.features(self.networks.raw(z))

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        """(B, N, width)."""
        return self.field.read(features, points)

    def read_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """(B, nz, ny, nx, width)."""
        return self.field.read_grid(features, axes)

    def pointwise(self, read: Tensor) -> Tensor:
        """(..., classes) logits."""
        return self.field.pointwise(read)
