"""JSON of strangers: bounded, and one kind of error; records by the types of their parts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.json_files import parse_json, read_json
from DiffusionSiblingsLib.core.record import read_record
from DiffusionSiblingsLib.core.record_shape import check_record, is_plain_name

RECORDS = Path(__file__).with_name("records")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 400, "-" + "9" * 400, "", "{", "nul",
                                  "[1, " + "9" * 5000 + "]", '"\\x"'])
def test_what_json_hardly_allows_is_one_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")


def test_numbers_texts_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [1, -7, 1e300, ' + b"9" * 300 + b', "\xc3\xbc"]}')
    found = read_json(tmp_path / "a.json")["a"]
    assert found[:3] == [1, -7, 1e300] and float(found[3]) == 1e300 and found[4] == "ü"


def test_a_file_beyond_its_bound_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(" " * 2_000_000 + "1")
    with pytest.raises(ValueError, match="more than 1 MiB"):
        read_json(tmp_path / "a.json", 1 << 20)


def paths(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else []
    return [place for key, part in parts for place in ((*way, key), *paths(part, (*way, key)))]


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDS.glob("*.json")))
def test_records_of_every_version_have_the_shape_and_damaged_ones_do_not(name: str, tmp_path: Path) -> None:
    values = json.loads((RECORDS / name).read_text())
    check_record(values)
    for part in ("model", "compute", "created", "runs", "complete", "twin"):
        for wrong in (3, "text", [3], [{"request": 3, "siblings": []}], [{"request": {}, "siblings": [{"k": 1}]}]):
            damaged = {**copy.deepcopy(values), part: wrong}
            if type(wrong) is type(values[part]) and part == "created":
                continue
            (tmp_path / "record.json").write_text(json.dumps(damaged))
            with pytest.raises(InputError, match="record cannot be read"):
                read_record(tmp_path / "record.json")


@pytest.mark.parametrize(("name", "plain"), [
    ("sibling_0000.nii.gz", True), ("Größe 1.mha", True), ("..", False), (".", False), ("", False), ("a/b", False),
    ("/a", False), ("C:\\a", False), ("a\0", False), ("a" * 256, False),
])
def test_a_name_in_a_record_is_a_file_in_its_folder(name: str, plain: bool) -> None:
    assert is_plain_name(name) is plain
