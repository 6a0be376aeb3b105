"""Fixtures that several of the library's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of models with the small one, as $SIBLINGS_MODELS, so that a record's model id finds it."""
    from hearts import small_model  # not every test of this folder needs the library

    folder = tmp_path_factory.mktemp("models")
    small_model(folder / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBLINGS_MODELS", str(folder))
        yield folder
