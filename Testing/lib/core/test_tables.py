"""Tables: a CSV that reads back everywhere, a terminal table that fits."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.core.errors import OutputError
from DiffusionSiblingsLib.core.tables import (
    columns_of,
    csv_text,
    plain_text,
    short_table,
    text_of_cell,
    write_metrics_csv,
)

CHAMBERS = [
    f"{c} {kind}" for c in ("LV", "RV", "LA", "RA") for kind in ("volume [ml]", "major axis [mm]", "minor axis [mm]")
]
ROWS = [
    {"name": name, "ratio": ratio, **{column: 40.0 + 11.3 * n for n, column in enumerate(CHAMBERS)}, "failed": failed}
    for name, ratio, failed in (("twin", None, 0), ("sibling_0000", 0.35, 1), ("sibling_0001", 0.5, 0))
]


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_columns_keep_their_first_order(tmp_path):
    rows = [{"name": "a", "LV volume [ml]": 1.0}, {"name": "b", "note": "x", "LV volume [ml]": 2.0}]
    path = write_metrics_csv(tmp_path / "metrics.csv", rows)
    assert path.read_bytes().decode("utf-8").splitlines()[0] == "name,LV volume [ml],note"
    assert read(path) == [
        {"name": "a", "LV volume [ml]": "1", "note": ""},
        {"name": "b", "LV volume [ml]": "2", "note": "x"},
    ]
    assert columns_of([]) == []


def test_values_are_written_plainly(tmp_path):
    row = {
        "f": 133.4567891234, "n": np.float32(0.5), "i": np.int64(12), "none": None, "nan": math.nan, "yes": True,
        "bool": np.bool_(False), "list": ["LV-RV no contact", 2], "text": 'Größe "a", b\nc',
    }  # fmt: skip
    (found,) = read(write_metrics_csv(tmp_path / "metrics.csv", [row]))
    assert found == {
        "f": "133.4568", "n": "0.5", "i": "12", "none": "", "nan": "", "yes": "true",
        "bool": "false", "list": "LV-RV no contact; 2", "text": 'Größe "a", b c',
    }  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.text() | st.floats() | st.integers()), max_size=5))
def test_any_value_reads_back_from_its_own_line(tmp_path_factory, rows):
    path = write_metrics_csv(tmp_path_factory.mktemp("csv") / "metrics.csv", rows)
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    columns = columns_of(rows)
    assert found == [columns, *([csv_text(row.get(column)) for column in columns] for row in rows)]
    assert path.read_bytes().count(b"\n") == len(rows) + 1
    for line, row in zip(found[1:], rows, strict=True):
        for text, column in zip(line, columns, strict=True):
            value = row.get(column)
            if isinstance(value, float) and not math.isnan(value):
                assert float(text) == pytest.approx(value, rel=1e-6)


def test_text_that_would_break_a_row_is_written_on_one_line():
    assert csv_text("a\r\nb\nc\x00d\udc80") == "a b c d\\udc80"


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_metrics_csv(tmp_path / "metrics.csv", [{"a": 1}])

    class Bad:
        def __str__(self):
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        write_metrics_csv(path, [{"a": 2}, {"a": Bad()}])
    assert path.read_text() == "a\n1\n" and list(tmp_path.iterdir()) == [path]


def test_unwritable_target_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_metrics_csv(tmp_path / "file" / "metrics.csv", [{"a": 1}])


@pytest.mark.parametrize("width", [60, 100])
def test_short_table_fits_and_names_every_row_in_each_block(width):
    lines = short_table(ROWS, width).splitlines()
    assert max(map(len, lines)) <= width
    blocks = short_table(ROWS, width).split("\n\n")
    assert all(block.count("sibling_0000") == 1 and block.count("twin") == 1 for block in blocks)


def test_short_table_aligns_numbers_right_and_text_left():
    table = short_table(
        [{"name": "a", "Dice": 0.98765, "n": 5, "ok": True}, {"name": "long", "Dice": None, "n": 10, "ok": False}]
    )
    assert table.splitlines() == [
        "name   Dice   n  ok",
        "----  -----  --  ---",
        "a     0.988   5  yes",
        "long      -  10  no",
    ]


def test_short_table_cuts_long_text_and_survives_nothing():
    assert short_table([]) == ""
    assert "x" * 15 + ".." + "x" * 15 in short_table([{"path": "x" * 300}])


@pytest.mark.parametrize("text", ["=1+1", "=cmd|' /C calc'!A0", "+a", "-b", "@SUM(A1)", " =1", "\t=1", "'=1", "''+x",
                                  "\uff1d1"])
def test_no_text_begins_as_a_formula_and_all_of_it_reads_back(tmp_path, text):
    path = write_metrics_csv(tmp_path / "a.csv", [{text: text, "listed": [text, "b"]}])
    with path.open(encoding="utf-8", newline="") as file:
        head, cells = csv.reader(file)
    assert all(cell.startswith("'") for cell in (head[0], *cells))
    assert [text_of_cell(cell) for cell in (head[0], *cells)] == [text, text, f"{text}; b"]
    assert "'=" not in short_table([{"a": "=1+1"}])  # nothing runs on a terminal


@given(st.text() | st.from_regex(r"'*\s*[=+@-].*"))
def test_any_text_reads_back_from_its_cell(text):
    assert text_of_cell(csv_text(text)) == plain_text(text)


@pytest.mark.parametrize("number", [-1.5, -3, np.float32(-2.5), np.int64(-7), "-0.5", "+1e-3"])
def test_numbers_stay_numbers(number):
    assert float(csv_text(number)) == float(number)
