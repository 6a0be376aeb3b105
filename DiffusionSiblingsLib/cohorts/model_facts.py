"""What is known of a model without its networks: the card, the anatomy, the reference, the training hearts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..core.anatomy import Anatomy, load_anatomy
from ..labelmaps.geometry.reference import Reference
from ..models.card import ModelCard
from ..models.registry import find_model
from .training_distance import TrainingDistanceMeter
from .training_statistics import Support, read_cohort


@dataclass(frozen=True)
class ModelFacts:
    """A model's card and anatomy; everything else is read when it is first needed, and kept."""

    card: ModelCard
    anatomy: Anatomy

    @classmethod
    def of(cls, model: str) -> ModelFacts:
        """The facts of an installed model, or of a model's folder. Raises ModelError or InputError."""
        card = find_model(model)
        return cls(card, load_anatomy(card.anatomy))

    @cached_property
    def reference(self) -> Reference:
        """The canonical reference, on which twins are placed. Raises ModelError."""
        return self.card.reference()

    @cached_property
    def training(self) -> Support | None:
        """Measurements of the training hearts; None where the model ships none. Raises ModelError."""
        return read_cohort(self.card.folder)

    @cached_property
    def meter(self) -> TrainingDistanceMeter | None:
        """Measures how far a heart is from the training hearts; None where the model ships too few of them."""
        return TrainingDistanceMeter.of(self.training, self.anatomy)
