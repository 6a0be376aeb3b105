"""A model's two decoders, in the form in which guidance reads them."""

from __future__ import annotations

from torch import Tensor

from ..core.errors import ModelError
from ..models.networks.checkpoint import Networks
from ..models.networks.field import FieldDecoder


class ModelDecoders:
    """The two decoders of an autoencoder. Everything but `volume` needs its neural field and raises ModelError where
    the model has none.
    """

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    @property
    def field(self) -> FieldDecoder:
        """The neural field. Raises ModelError for a model without one."""
        if self.networks.autoencoder.field is None:
            raise ModelError("The model has no neural field, which parsing L needs", rule="parsing V or auto",
                             hint="leave out --parsing, or choose a model with a neural field")
        return self.networks.autoencoder.field

    def volume(self, z: Tensor) -> Tensor:
        """z: (B, C, d, h, w) standardised latents -> (B, classes, D, H, W) logits of the convolution decoder."""
        logits: Tensor = self.networks.autoencoder.decoder(self.networks.raw(z))
        return logits

    def features(self, z: Tensor) -> Tensor:
        """z: (B, C, d, h, w) standardised latents -> the field's feature grid (B, width, ...)."""
        return self.field.features(self.networks.raw(z))

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        """points: (B, N, 3), x y z in [-1, 1] -> (B, N, width) features there."""
        return self.field.read(features, points)

    def read_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """axes: coordinates along (z, y, x) in [-1, 1] -> (B, nz, ny, nx, width) features there."""
        return self.field.read_grid(features, axes)

    def pointwise(self, read: Tensor) -> Tensor:
        """read: (..., width) features -> (..., classes) logits."""
        return self.field.pointwise(read)
