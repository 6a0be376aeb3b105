"""Guided requests through the worker: targets become controls on the twin that it placed, and are told beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.apps.worker.service import Service
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.presets import preset
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import write_exchange

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((40, 36, 44), 3.4)
PLAIN = Request("perturb", ratio=0.6, steps=3)


class Listener:
    """Stands for the server's task: keeps the events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def emit(self, event: str, **values: Any) -> None:
        self.events.append((event, values))

    def check(self) -> None:
        """Is never cancelled."""

    def of(self, event: str) -> list[dict[str, Any]]:
        return [values for name, values in self.events if name == event]


@pytest.fixture(scope="module")
def workshop(models: Path) -> Service:
    return Service()


def do(workshop: Service, name: str, **values: Any) -> tuple[dict[str, Any], Listener]:
    listener = Listener()
    command = {"command": name, "model": "small", "device": "cpu", **values}
    return workshop.do(command, listener, lambda course: None), listener


def test_wishes_become_controls_and_are_told_before_the_siblings(workshop: Service, tmp_path: Path) -> None:
    twin = str(write_exchange(HEART, tmp_path / "twin"))
    requests = [PLAIN.to_json(), {**PLAIN.to_json(), "preset": "enlarge-rv", "amount": 0.1, "hold": ["LA"]}]
    result, heard = do(workshop, "run", twin=twin, out=str(tmp_path / "out"), requests=requests)
    (told,) = heard.of("guided")
    assert told["request"] == 1
    assert [(item["domain"], item["quantity"]) for item in told["asked"]] == [("RV", "mass"), ("LA", "mass")]
    assert told["asked"][0]["value"] == pytest.approx(1.1 * told["measured"]["RV"]["mass"])
    names = [name for name, _ in heard.events if name != "progress"]
    assert names == ["twin", "guided", "sibling", "sibling"]
    plain, guided = result["record"]["runs"]
    assert "control" not in plain["request"] and "preset" not in guided["request"]
    assert guided["request"]["control"] == told["control"]
    assert [item["domain"] for item in guided["siblings"][0]["guidance"]] == ["RV", "LA"]
    assert result["rows"][0]["RV volume achieved [ml]"] == pytest.approx(told["measured"]["RV"]["mass"])
    assert result["rows"][2]["targets reached"].endswith("of 2")
    json.dumps([result, heard.events], allow_nan=False)
    replayed, _ = do(workshop, "replay", twin=twin, record=result["record"])
    assert [row["verdict"] for row in replayed["rows"]] == ["identical", "identical"]


def test_new_hearts_are_guided_by_presets_of_the_mean_heart(workshop: Service, tmp_path: Path) -> None:
    request = {**Request("generate", steps=2).to_json(), "preset": "shrink-lv"}
    result, heard = do(workshop, "run", out=str(tmp_path / "out"), requests=[request])
    assert heard.of("guided")[0]["control"]["frame"] == "canonical"
    assert result["rows"][0]["targets reached"].endswith("of 1")


def test_maps_are_measured_in_the_domains_of_a_control(workshop: Service, tmp_path: Path) -> None:
    map_ = str(write_exchange(HEART, tmp_path / "map"))
    control = preset("enlarge-rv", Placement.of_map(HEART.labels, HEART.affine, ANATOMY))
    result, _ = do(workshop, "measure", maps=[map_], names=["mine"], control=control.to_json())
    (row,) = result["domains"]
    assert (row["map"], row["domain"], row["unit"]) == ("mine", "RV", "ml")
    assert row["mass"] == pytest.approx(result["rows"][0]["RV volume [ml]"], rel=0.03)
    assert "domains" not in do(workshop, "measure", maps=[map_])[0]


@pytest.mark.parametrize(("targets", "words"), [
    ({"preset": "enlarge-all"}, "no such preset"), ({"preset": "enlarge-rv", "amount": 0}, "amount"),
    ({"hold": "liver"}, "liver"), ({"preset": 3}, "Names"), ({"control": {"schema": "other"}}, "siblings-control/1"),
    ({"preset": "enlarge-rv", "hold": "RV"}, "contradict"), ({"preset": "enlarge-rv", "ratio": 0.0}, "draws nothing"),
])
def test_wishes_that_cannot_be_had_are_refused_before_anything_is_made(workshop: Service, tmp_path: Path,
                                                                       targets: dict[str, Any], words: str) -> None:
    twin = str(write_exchange(HEART, tmp_path / "twin"))
    requests = [PLAIN.to_json(), {**PLAIN.to_json(), **targets}]
    with pytest.raises(InputError, match=words):
        do(workshop, "run", twin=twin, out=str(tmp_path / "out"), requests=requests)
    assert not (tmp_path / "out").exists()


def test_a_control_of_a_panel_passes_through_as_it_is(workshop: Service, tmp_path: Path) -> None:
    control = preset("shrink-ra", Placement.of_map(HEART.labels, HEART.affine, ANATOMY), 0.1)
    request = Request("inpaint", tissues=("RA",), ratio=1.0, steps=2, control=control)
    twin = str(write_exchange(HEART, tmp_path / "twin"))
    result, _ = do(workshop, "run", twin=twin, out=str(tmp_path / "out"), requests=[request.to_json()])
    assert Control.from_json(result["record"]["runs"][0]["request"]["control"]) == control
