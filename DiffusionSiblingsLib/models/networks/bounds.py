"""The sizes that a weight file may ask for, checked before a network of these sizes is made."""

from __future__ import annotations

from typing import Any

from ...core.limits import MOST_CHANNELS, MOST_WEIGHTS

_FEW = {"blocks": 64, "encoder_blocks": 64, "decoder_blocks": 64, "depth": 64, "patch": 16, "factor": 16, "heads": 256}
_FROM_0 = ("attention", "dropout", "above")
MOST_LEVELS = 16


def check_sizes(config: Any, where: str) -> None:
    """Raises ValueError for a configuration of a network, as plain values, with a size that no model has."""
    if not isinstance(config, dict):
        raise ValueError(f"{where} is no object")
    for name, value in config.items():
        if isinstance(value, dict):
            check_sizes(value, f"{where}.{name}")
            continue
        values = value if isinstance(value, list) else [value]
        if len(values) > MOST_LEVELS:
            raise ValueError(f"{where}.{name} has {len(values)} levels, at most {MOST_LEVELS} are possible")
        low, most = int(name not in _FROM_0), _FEW.get(name, MOST_CHANNELS)
        for size in values:
            if isinstance(size, int) and not isinstance(size, bool) and not low <= size <= most:
                raise ValueError(f"{where}.{name} is {size}, possible are {low} to {most}")


def check_weights(parameters: int) -> None:
    """Raises ValueError for a network with more numbers than a model may have."""
    if parameters > MOST_WEIGHTS:
        raise ValueError(f"a network of {parameters} weights, at most {MOST_WEIGHTS} are possible")
