"""Arguments in the Python console: what can mean one thing only is taken, what cannot is named with the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.runs import arguments, edits

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request


class Stopped(Exception):  # noqa: N818, no error but where these tests end
    """The arguments were taken."""


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> tuple[SiblingsLogic, list[Any]]:
    """The logic, and the tasks that it would have begun."""
    tasks: list[Any] = []

    def begin(_session: Any, task: Any, _title: str) -> Any:
        tasks.append(task)
        raise Stopped

    monkeypatch.setattr("DiffusionSiblingsUI.runs.scene_edits.into_scene", begin)
    return SiblingsLogic(object()), tasks


def asked(console: tuple[SiblingsLogic, list[Any]], name: str, *args: Any, **values: Any) -> Request:
    """The request that a call would have begun."""
    with pytest.raises(Stopped):
        getattr(console[0], name)(*args, **values)
    return console[1][-1].requests[-1]


def test_numpys_numbers_are_numbers(console: Any, heart_node: Any) -> None:
    request = asked(console, "perturb", heart_node, ratio=np.float32(0.5), count=np.int64(2), seed=np.uint8(3),
                    steps=np.int32(4))
    assert request == Request("perturb", 2, 3, steps=4, ratio=0.5) and type(request.count) is int
    asked(console, "perturb", heart_node, np.array([0.25, 0.5]))
    assert [request.ratio for request in console[1][-1].requests] == [0.25, 0.5]
    box = asked(console, "inpaint", heart_node, box=np.arange(6)[[0, 1, 2, 3, 4, 5]] * 10.0).box
    assert box == (0.0, 10.0, 20.0, 30.0, 40.0, 50.0)
    assert asked(console, "guide", heart_node, hold="all", count=np.int16(2), ratio=np.float64(0.5)).count == 2


@pytest.mark.parametrize("tissues", ["LV, RV", ("LV", "RV"), ["LV ,RV"], "lv,rv", np.array(["LV", "RV"])])
def test_tissues_are_taken_as_people_write_them(console: Any, heart_node: Any, tissues: Any) -> None:
    assert asked(console, "inpaint", heart_node, tissues).tissues == ("LV", "RV")


@pytest.mark.parametrize(("name", "values", "word"), [
    ("perturb", {"segmentationNode": None}, "segmentationNode"),
    ("perturb", {"segmentationNode": "Synthetic heart"}, "segmentationNode"),
    ("perturb", {"ratio": "0.5"}, "ratio"),
    ("perturb", {"ratio": []}, "ratio"),
    ("perturb", {"ratio": float("nan")}, "ratio"),
    ("perturb", {"ratio": 2}, "ratio"),
    ("perturb", {"count": 1.5}, "count"),
    ("perturb", {"count": 0}, "count"),
    ("perturb", {"seed": 2**70}, "seed"),
    ("perturb", {"labels": {"ZZ": "Aorta"}}, "ZZ"),
    ("perturb", {"labels": "LV"}, "labels"),
    ("perturb", {"labels": {"LV": "nope"}}, "nope"),
    ("perturb", {"gates": "contacts"}, "gates"),
    ("inpaint", {"tissues": "XX"}, "XX"),
    ("inpaint", {"tissues": 3}, "3"),
    ("inpaint", {}, "drawn anew"),
    ("inpaint", {"roi": "R"}, "roi"),
    ("inpaint", {"segment": "LV"}, "segment"),
    ("inpaint", {"segment": (None, "LV")}, "segment"),
    ("inpaint", {"box": (0, 1, 2, 3)}, "box"),
    ("inpaint", {"box": "big"}, "box"),
    ("inpaint", {"box": (10, 0, 10, 0, 10, 0)}, "box"),
    ("guide", {"preset": "nope"}, "nope"),
    ("guide", {}, "section Guide"),
    ("measure", {"segmentationNodes": None}, "segmentationNodes"),
    ("replay", {"run": None}, "run"),
])
def test_what_cannot_be_used_is_named(console: Any, heart_node: Any, name: str, values: dict[str, Any],
                                      word: str) -> None:
    first = {} if name in ("measure", "replay") else {"segmentationNode": heart_node}
    with pytest.raises(InputError) as refused:
        getattr(console[0], name)(**{**first, **values})
    assert word in refused.value.message() and "--" not in refused.value.message()
    assert not console[1]


def test_nodes_of_another_kind_are_named_by_their_kind(console: Any, heart_node: Any) -> None:
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    with pytest.raises(InputError, match="vtkMRMLScalarVolumeNode"):
        console[0].perturb(volume)
    with pytest.raises(InputError, match="vtkMRMLSegmentationNode"):
        console[0].inpaint(heart_node, roi=heart_node)


def test_a_region_stands_for_its_file_until_that_is_written(heart_node: Any) -> None:
    assert arguments.region_of(None, None) is None
    assert arguments.region_of(None, (heart_node, "x")) == edits.REGION_TO_COME
