"""scikit-fem, which the extra [simulate] brings."""

from __future__ import annotations

from typing import Any

from ..core.errors import InputError


def elements() -> Any:
    """The package skfem, which has no type information. Raises InputError where it is not installed."""
    try:
        import skfem
    except ImportError as error:
        raise InputError("Simulations need scikit-fem, which is not installed", value=str(error),
                         rule="the extra [simulate] is installed",
                         hint='pip install "diffusion-siblings[simulate]", or pip install "scikit-fem>=12"') from error
    return skfem
