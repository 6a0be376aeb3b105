"""The words of errors: what failed and why, without what only a programmer reads."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from DiffusionSiblingsLib.core.errors import InputError, reason_of
from DiffusionSiblingsLib.core.record import read_record


@pytest.mark.parametrize(("error", "words"), [
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/b.json"), "No such file or directory"),
    (OSError("the disk is gone"), "the disk is gone"), (KeyError("siblings"), "'siblings' is missing"),
    (ValueError("schema 7, this version reads 1"), "schema 7, this version reads 1"), (MemoryError(), "MemoryError"),
])
def test_a_reason_is_in_words(error: Exception, words: str) -> None:
    assert reason_of(error) == words


@pytest.mark.parametrize("text", [None, "{", json.dumps({"schema": "siblings-record/5"}), "[]"])
def test_a_record_that_cannot_be_read_is_named_once_and_without_python(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_record(path)
    message = str(refused.value)
    assert message.count(str(path)) <= 1 and "Errno" not in message and "Error(" not in message
