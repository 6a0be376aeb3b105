"""Published measurements of an anatomy, each with its source, and draws from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.anatomy import resource_folder

LIMIT = 2.5  # standard deviations beyond which no value is drawn


@dataclass(frozen=True)
class Morphometry:
    """What Resources/Morphometry/<name>.json says, and the values drawn from it so far.

    Each entry has a source, "assumed" where none was found. An entry with mean and sd is a length in mm or an angle in
    degrees, drawn from a normal distribution cut at LIMIT standard deviations; one with shares is a choice. drawn: name
    -> value.
    """

    entries: Mapping[str, Mapping[str, Any]]
    rng: np.random.Generator
    drawn: dict[str, float | str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, rng: np.random.Generator) -> Morphometry:
        """The measurements of an anatomy."""
        path = resource_folder() / "Morphometry" / f"{name}.json"
        return cls(json.loads(path.read_text(encoding="utf-8"))["measurements"], rng)

    def value(self, name: str, of: str = "", *, common: float = 0.0, share: float = 0.0) -> float:
        """A draw. of: what it is drawn for, if a measurement is drawn for several things. common: standard score of
        this subject that is shared with other measurements, `share` of the variance is its.
        """
        entry = self.entries[name]
        score = share**0.5 * common + (1 - share) ** 0.5 * self.score()
        found = float(entry["mean"] + entry["sd"] * np.clip(score, -LIMIT, LIMIT))
        self.drawn[key := f"{name} {of}".strip()] = max(found, float(entry.get("least", -np.inf)))
        return float(self.drawn[key])

    def once(self, name: str) -> float:
        """The value that was drawn, or a draw if there was none."""
        return float(self.drawn[name]) if name in self.drawn else self.value(name)

    def choice(self, name: str, of: str = "") -> str:
        """One of the entry's alternatives, with the chances that its shares give them."""
        shares = self.entries[name]["shares"]
        weights = np.array(list(shares.values()), dtype=np.float64)
        found = str(list(shares)[int(self.rng.choice(len(weights), p=weights / weights.sum()))])
        self.drawn[f"{name} {of}".strip()] = found
        return found

    def score(self) -> float:
        """A standard score, redrawn until it is within LIMIT."""
        while abs(score := float(self.rng.standard_normal())) > LIMIT:
            pass
        return score
