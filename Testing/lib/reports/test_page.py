"""Reports as pages: what goes in is escaped, nothing is fetched from outside, and a browser shows it in silence."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import numpy as np
import pytest
from pages import assert_self_contained, one_line, opened, pixels, text_of

from DiffusionSiblingsLib.core.errors import OutputError
from DiffusionSiblingsLib.reports.chart_style import COHORT, Picture, drawn
from DiffusionSiblingsLib.reports.page import columns, environment, number, rendered, write_page

NASTY = '<script>alert("x")</script> & "quotes" \' ümläut'
MADE = {"program": {"name": NASTY, "version": "1"}, "created": NASTY}
TEMPLATE = """
{% extends "page.html.j2" %}
{% from "parts.html.j2" import bullets, files_section, note, picture, section, side_by_side, table with context %}
{% block lead %}<p class="lead">{{ nasty }}</p>{% endblock %}
{% block content %}
{% call section("One: a < b") %}
<dl><dt>{{ nasty }}</dt><dd>{{ nasty }}</dd><dt>List</dt><dd>{{ bullets([nasty, "plain"]) }}</dd></dl>
{{ table([{"Name": nasty, "Value": 1.5}, {"Name": "b", "Value": none}], nasty) }}
{% call note(nasty, "warning") %}{{ nasty }}{% endcall %}
{% endcall %}
{% call section("Two") %}
{{ picture(chart) }}{{ side_by_side([chart, other], nasty) }}<p>{{ words }} <code>{{ command }}</code></p>
{% endcall %}
{{ files_section({nasty: nasty}, nasty) }}
{% endblock %}
"""


def chart(name: str = "chart", format: str = "png") -> Picture:
    def paint(figure):
        figure.add_subplot().bar([0, 1], [1, 2], color=COHORT)

    return Picture(name, drawn(300, 200, paint, format), 300, 200, f"Bars: {NASTY}", f"Caption {NASTY}", format)


@pytest.fixture(scope="module", autouse=True)
def template() -> None:
    """A page with everything that a page can hold, beside the templates that ship."""
    loader = environment().loader
    environment().loader = jinja2.ChoiceLoader([jinja2.DictLoader({"everything.html.j2": TEMPLATE}), loader])
    yield
    environment().loader = loader


def values(**others: object) -> dict[str, object]:
    return {"title": NASTY, "kicker": NASTY, "made": MADE, "nasty": NASTY, "chart": chart(), "other": chart("b", "svg"),
            "words": "12 % of 30 mm", "command": "siblings report 'ring 5 mm & 20 %'", **others}


def test_what_a_user_typed_is_text_and_never_markup():
    text = rendered("everything.html.j2", **values())
    assert "<script>" not in text
    assert text.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;") >= 12
    assert "ümläut" in text


def test_every_template_that_ships_escapes_what_it_prints():
    names = [name for name in environment().list_templates() if name.endswith(".j2")]
    assert {"page.html.j2", "cohort.html.j2", "comparison.html.j2"} <= set(names)
    folder = Path(environment().loader.loaders[1].searchpath[0])
    assert [name for name in names if (folder / name).exists() and "safe" in (folder / name).read_text("utf-8")] == []
    assert environment().autoescape is True and environment().undefined is jinja2.StrictUndefined


def test_a_page_holds_everything_and_is_the_same_every_time(tmp_path):
    path = write_page(tmp_path / "new" / "page.html", "everything.html.j2", **values())
    assert_self_contained(path)
    assert path.read_bytes() == write_page(tmp_path / "again.html", "everything.html.j2", **values()).read_bytes()
    assert text_of(path).count("<img ") == 3
    anchors = re.findall(r'href="#([^"]+)"', text_of(path))
    assert anchors == ["one-a-b", "two", "files"]
    assert all(f'id="{anchor}"' in text_of(path) for anchor in anchors)


def test_a_page_that_cannot_be_written_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="could not be written"):
        write_page(tmp_path / "file" / "page.html", "everything.html.j2", **values())


def test_columns_of_numbers_share_decimals_and_units_stay_with_their_numbers():
    rows = [{"Name": "a", "ml": 100.25, "n": 3, "share": "12 %"}, {"Name": "b", "ml": float("nan"), "n": None}]
    names, ml, n, share = columns(rows, numbers=("share",))
    assert (names.number, ml.number, n.number, share.number) == (False, True, True, True)
    assert ml.cells in (("100.2", "–"), ("100.3", "–")) and n.cells == ("3", "–") and share.cells == ("12 %", "")
    assert columns([]) == ()
    assert "12\u202f% of 30\u202fmm" in rendered("everything.html.j2", **values())


def test_a_command_can_be_copied_and_a_name_that_is_no_text_is_shown(tmp_path):
    text = rendered("everything.html.j2", **values())
    assert "<code>siblings report &#39;ring 5 mm &amp; 20 %&#39;</code>" in text
    written = write_page(tmp_path / "page.html", "everything.html.j2", **values(words="lat\udce4in.nii.gz"))
    assert "lat\\udce4in.nii.gz" in written.read_text(encoding="utf-8")


def test_a_name_that_a_page_lacks_is_an_error_and_not_a_gap():
    with pytest.raises(jinja2.UndefinedError, match="command"):
        rendered("everything.html.j2", **{key: value for key, value in values().items() if key != "command"})


@pytest.mark.parametrize(("value", "decimals", "words"), [(0.5, None, "0.500"), (3, None, "3"), (1234.5, None, "1234"),
                                                          (-1.26, 1, "−1.3"), (None, None, "–"), (-0.04, 1, "0.0"),
                                                          (float("inf"), 1, "–")])
def test_numbers_are_written_for_readers(value, decimals, words):
    assert number(value, decimals) == words


def test_text_is_escaped_once():
    assert "<li>a &lt; b &amp; c</li>" in one_line(rendered("everything.html.j2", **values(nasty="a < b & c")))


def test_a_browser_shows_the_page_in_silence_and_in_both_colours(tmp_path):
    path = write_page(tmp_path / "page.html", "everything.html.j2", **values())
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
