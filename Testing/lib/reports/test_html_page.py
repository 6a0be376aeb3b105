"""Reports as pages: what goes in is escaped, nothing is fetched from outside, and a browser shows it in silence."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pages import assert_self_contained, opened, pixels, text_of

from DiffusionSiblingsLib.core.errors import OutputError
from DiffusionSiblingsLib.reports.chart_style import COHORT, Picture, drawn
from DiffusionSiblingsLib.reports.html import (
    Html,
    Page,
    Section,
    bullets,
    code,
    facts,
    joined,
    note,
    number,
    paragraph,
    picture,
    side_by_side,
    table,
    tag,
)

NASTY = '<script>alert("x")</script> & "quotes" \' ümläut'


def chart(name: str = "chart", format: str = "png") -> Picture:
    def paint(figure):
        figure.add_subplot().bar([0, 1], [1, 2], color=COHORT)

    return Picture(name, drawn(300, 200, paint, format), 300, 200, f"Bars: {NASTY}", f"Caption {NASTY}", format)


@pytest.fixture(scope="module")
def page() -> Page:
    """A page with everything that a page can hold."""
    return Page(NASTY, NASTY, paragraph(NASTY, kind="lead"), (
        Section("One: a < b", (facts({NASTY: NASTY, "Empty": "", "List": bullets([NASTY, tag("b", NASTY)])}),
                               table([{"Name": NASTY, "Value": 1.5}, {"Name": "b", "Value": None}], NASTY),
                               note("Note.", NASTY, kind="warning"))),
        Section("Two", (picture(chart()), side_by_side([chart("a"), chart("b", "svg")], NASTY))),
    ), foot=NASTY)


def test_what_a_user_typed_is_text_and_never_markup(page):
    text = page.text()
    assert "<script>" not in text
    assert text.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;") >= 12
    assert 'ümläut' in text


def test_a_page_holds_everything_and_is_the_same_every_time(page, tmp_path):
    path = page.write(tmp_path / "new" / "page.html")
    assert_self_contained(path)
    assert path.read_bytes() == page.write(tmp_path / "again.html").read_bytes()
    assert text_of(path).count("<img ") == 3
    for anchor in re.findall(r'href="#([^"]+)"', text_of(path)):
        assert f'id="{anchor}"' in text_of(path)


def test_a_page_that_cannot_be_written_is_an_error_with_a_hint(page, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="could not be written"):
        page.write(tmp_path / "file" / "page.html")


def test_columns_of_numbers_share_decimals_and_units_stay_with_their_numbers():
    text = table([{"Name": "a", "ml": 100.25, "n": 3, "share": "12 %"}, {"Name": "b", "ml": float("nan"), "n": None}])
    assert ">100.2<" in text or ">100.3<" in text
    assert text.count(">–<") == 2
    assert ">3<" in text and "12\u202f%" in text
    assert table([]) == ""


def test_a_command_can_be_copied_and_a_name_that_is_no_text_is_shown(tmp_path):
    shown = code("siblings report 'ring 5 mm & 20 %'")
    assert shown == "<code>siblings report &#x27;ring 5 mm &amp; 20 %&#x27;</code>"
    written = Page("A page", "", paragraph("lat\udce4in.nii.gz"), ()).write(tmp_path / "page.html")
    assert "lat\\udce4in.nii.gz" in written.read_text(encoding="utf-8")


@pytest.mark.parametrize(("value", "decimals", "words"), [(0.5, None, "0.500"), (3, None, "3"), (1234.5, None, "1234"),
                                                          (-1.26, 1, "−1.3"), (None, None, "–"), (-0.04, 1, "0.0"),
                                                          (float("inf"), 1, "–")])
def test_numbers_are_written_for_readers(value, decimals, words):
    assert number(value, decimals) == words


def test_markup_is_kept_and_text_is_escaped_once():
    assert joined(tag("b", "a < b"), "c & d", between=", ") == "<b>a &lt; b</b>, c &amp; d"
    assert isinstance(joined("a"), Html)
    assert tag("p", "x", class_="lead", hidden=None, aria_label='"') == '<p class="lead" aria-label="&quot;">x</p>'


def test_a_browser_shows_the_page_in_silence_and_in_both_colours(page, tmp_path):
    path = page.write(tmp_path / "page.html")
    light, asked, said = opened(path, tmp_path / "light")
    assert (asked, said) == ([], [])
    dark, asked, said = opened(path, tmp_path / "dark", dark=True)
    assert (asked, said) == ([], [])
    assert pixels(light)[2, 2].min() == 255 and pixels(dark)[2, 2].max() < 60
    wanted = [int(COHORT[n : n + 2], 16) for n in (1, 3, 5)]
    assert (np.abs(pixels(light).astype(int) - wanted).max(axis=-1) < 6).mean() > 0.01  # the bars of the figures


def test_the_browser_test_would_notice_a_request_and_an_error(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text('<!DOCTYPE html><link rel="icon" href="data:,"><img src="http://outside.invalid/x.png">'
                    '<script>console.error("noticed")</script>', encoding="utf-8")
    _, asked, said = opened(path, tmp_path / "bad")
    assert any("outside.invalid" in address for address in asked)
    assert any("noticed" in line for line in said)
