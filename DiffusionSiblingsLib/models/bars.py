"""The bars that a trained model must clear on held-out hearts before edits with it are made unasked.

The training measures the figures itself, and the model card keeps them. What a card says of no figure is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import ModelError
from .card import ModelCard

LAST_OF = ("decoders", "autoencoder")  # the stages that measure the autoencoder, the last one first


@dataclass(frozen=True)
class Bar:
    """A limit of one figure. stages: the first of these that the card has, counts. at_least: whether the figure must
    reach the limit, or else may not exceed it. words: what the figure is.
    """

    stages: tuple[str, ...]
    figure: str
    limit: float
    at_least: bool
    words: str

    @property
    def rule(self) -> str:
        """What the figure has to be."""
        return f"{self.words} {'at least' if self.at_least else 'at most'} {self.limit:g}"

    def missed(self, figures: Mapping[str, Any]) -> str:
        """How a model misses the bar: "mean Dice of held-out hearts 0.61, at least 0.9"; "" where it does not."""
        stage = next((name for name in self.stages if name in figures), None)
        value = figures[stage].get(self.figure) if stage is not None else None
        if value is None:
            return ""
        cleared = value >= self.limit if self.at_least else value <= self.limit  # never with nan
        return "" if cleared else f"{self.words} {value:.3g}, {self.rule.removeprefix(self.words).strip()}"


BARS = (
    Bar(LAST_OF, "dice_conv", 0.9, True, "mean Dice of held-out hearts through the autoencoder"),
    Bar(LAST_OF, "dice_conv_min", 0.75, True, "least Dice of a tissue in them"),
    Bar(LAST_OF, "violations_percent", 10.0, False, "checks that they fail afterwards in %"),
    Bar(("denoiser",), "loss", 0.5, False, "held-out loss of the denoiser (about 1 before it has learned anything)"),
)


def missed_bars(card: Mapping[str, Any]) -> tuple[str, ...]:
    """What a model misses on held-out hearts, a phrase each. card: the whole JSON document."""
    figures = _figures(card)
    return tuple(words for bar in BARS if (words := bar.missed(figures)))


def has_figures(card: Mapping[str, Any]) -> bool:
    """Whether a card says how good the model is on held-out hearts."""
    figures = _figures(card)
    return any(bar.figure in figures.get(stage, {}) for bar in BARS for stage in bar.stages)


def _figures(card: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    training = card.get("training")
    figures = training.get("figures") if isinstance(training, Mapping) else None
    return {name: values for name, values in figures.items() if isinstance(values, Mapping)} if isinstance(
        figures, Mapping) else {}


def bars_words(card: ModelCard) -> tuple[str, ...]:
    """A warning for whoever uses a model that misses a bar."""
    missed = missed_bars(card.card)
    return (f"The model {card.id} misses bars of its training: {'; '.join(missed)}",) if missed else ()


def require_bars(card: ModelCard) -> None:
    """Raises ModelError for a model that misses a bar, and says which."""
    if missed := missed_bars(card.card):
        raise ModelError(f"The model {card.id} is not good enough to be used unasked", value="; ".join(missed),
                         rule=", ".join(bar.rule for bar in BARS),
                         hint="train it for longer or on more hearts, or use it as it is with --force")
