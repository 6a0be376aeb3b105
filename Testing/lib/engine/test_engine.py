"""The engine and everything behind it, on a small untrained model: frames, regions, limits, batches, records."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hearts import ANATOMY, ellipsoid_heart, small_model

from DiffusionSiblingsLib.core.errors import DeviceError, InputError, ModelError
from DiffusionSiblingsLib.editing.composite import edit_scope
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.compute import find_compute
from DiffusionSiblingsLib.engine.diffusion.sampler import Cancelled, Sampler
from DiffusionSiblingsLib.engine.engine import Encoded, Engine, class_probabilities
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

TILT = np.array([[0.9553365, -0.2955202, 0.0], [0.2955202, 0.9553365, 0.0], [0.0, 0.0, -1.0]])  # left-handed


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.open(str(small_model(tmp_path_factory.mktemp("models") / "small")), "cpu")


@pytest.fixture(scope="module")
def twin(engine: Engine) -> Encoded:
    return engine.twin(ellipsoid_heart(direction=TILT, extra=True))


def perturbed(engine: Engine, twin: Encoded, **values: object) -> list:
    return list(engine.run(Request("perturb", steps=4, **values), twin))  # type: ignore[arg-type]


def test_ratio_zero_is_the_reconstruction(engine: Engine, twin: Encoded) -> None:
    (zero,), (plain,) = perturbed(engine, twin, ratio=0.0), engine.run(Request("reconstruct"), twin)
    assert np.array_equal(zero.labelmap.labels, plain.labelmap.labels)


def test_ratio_one_keeps_nothing_of_the_twin(engine: Engine, twin: Encoded) -> None:
    other = dataclasses.replace(twin, z=torch.randn_like(twin.z))
    request = Request("perturb", ratio=1.0, steps=4)
    one, two = (engine.sample(request, Sampler(engine.denoiser, engine.schedule(request)), range(1), t, None)
                for t in (twin, other))
    assert torch.equal(one, two)


def test_sibling_k_depends_on_seed_and_k_alone(engine: Engine, twin: Encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = perturbed(engine, twin, first=1)[0]
    assert np.array_equal(perturbed(engine, twin, count=2)[1].labelmap.labels, alone.labelmap.labels)
    monkeypatch.setattr(type(engine.compute), "batch", property(lambda self: 2))
    together = perturbed(engine, twin, count=2)[1]
    agree = np.mean(together.labelmap.labels == alone.labelmap.labels)
    assert agree > 0.999  # convolutions of another batch size may round differently
    assert not np.array_equal(perturbed(engine, twin, seed=1)[0].labelmap.labels, alone.labelmap.labels)


def test_a_sibling_keeps_what_no_edit_reaches(engine: Engine, twin: Encoded) -> None:
    labels = twin.twin.labelmap.labels
    inpainted = engine.run(Request("inpaint", tissues=("RV",), steps=4, ratio=1.0), twin)
    for sibling in [*perturbed(engine, twin), *inpainted]:
        assert sibling.changes is not None
        assert sibling.changes["outside"] == 0
        assert np.array_equal(sibling.labelmap.labels == 9, labels == 9)  # unknown tissue
        assert sibling.labelmap.labels.shape == labels.shape
        assert np.array_equal(sibling.labelmap.affine, twin.twin.labelmap.affine)


def test_inpainting_a_tissue_changes_only_it_its_follower_and_background(engine: Engine, twin: Encoded) -> None:
    (sibling,) = engine.run(Request("inpaint", tissues=("RV",), steps=4, ratio=1.0), twin)
    free = [0, ANATOMY.label_of("RV"), ANATOMY.label_of("Myo")]
    kept = ~np.isin(twin.twin.known, free)
    assert np.array_equal(sibling.known[kept], twin.twin.known[kept])
    assert np.isin(sibling.known[~kept], free).all()


@pytest.mark.parametrize("method", ["replace", "guidance"])
def test_inpainting_a_box_changes_nothing_outside_it(engine: Engine, twin: Encoded, method: str) -> None:
    box = (10.0, 60.0, -30.0, 30.0, -25.0, 40.0)
    (sibling,) = engine.run(Request("inpaint", box=box, method=method, steps=4, ratio=1.0), twin)  # type: ignore[arg-type]
    changed = np.argwhere(sibling.known != twin.twin.known)[:, ::-1]
    place = changed @ twin.twin.labelmap.affine[:3, :3].T + twin.twin.labelmap.affine[:3, 3]
    assert len(changed) > 0
    assert (place >= np.array(box[::2]) - 1e-3).all()
    assert (place <= np.array(box[1::2]) + 1e-3).all()


def test_a_painted_region_on_another_grid_limits_the_edit(engine: Engine, twin: Encoded, tmp_path: Path) -> None:
    painted = ellipsoid_heart((40, 40, 40), 4.0)
    mask = (painted.labels == ANATOMY.label_of("LA")).astype(np.uint8)
    path = write_labelmap(dataclasses.replace(painted, labels=mask, segments=()), tmp_path / "mask.nii.gz", "nii.gz")
    request = Request("inpaint", region=str(path), steps=4, ratio=1.0)
    scope = edit_scope(request, twin.twin, ANATOMY)
    volume = scope.reach.sum() * twin.twin.labelmap.voxel_volume_ml
    assert volume == pytest.approx(mask.sum() * 0.064, rel=0.1)
    (sibling,) = engine.run(request, twin)
    assert sibling.changes is not None
    assert sibling.changes["outside"] == 0


def test_unknown_tissue_is_overwritten_only_when_asked(engine: Engine, twin: Encoded) -> None:
    kept, lost = (perturbed(engine, twin, overwrite=overwrite)[0] for overwrite in (False, True))
    assert (kept.labelmap.labels == 9).sum() == (twin.twin.labelmap.labels == 9).sum()
    assert (lost.labelmap.labels == 9).sum() < (kept.labelmap.labels == 9).sum()
    assert kept.conflicts
    assert sum(kept.conflicts.values()) == sum(lost.conflicts.values())


def test_generate_needs_no_twin_and_says_what_it_is(engine: Engine) -> None:
    (heart,) = engine.run(Request("generate", steps=4, repair=False))
    assert heart.labelmap.labels.shape == ANATOMY.shape
    assert len(heart.features) == 12
    assert {len(report.checks) for report in heart.checks.values()} == {12}
    assert heart.sigma == 80.0
    json.dumps(heart.to_json(), allow_nan=False)


def test_progress_covers_the_whole_request_and_can_cancel(engine: Engine, twin: Encoded) -> None:
    seen: list[tuple[int, int]] = []
    list(engine.run(Request("perturb", count=2, steps=4), twin, progress=lambda *step: seen.append(step)))
    done, steps = seen[-1]
    assert done == steps > 0 and steps % 2 == 0  # of both siblings
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(engine.run(Request("perturb", steps=4), twin, progress=stop))


def test_probabilities_of_the_field_and_of_the_decoder_are_probabilities(engine: Engine, twin: Encoded) -> None:
    for logits in (engine.decode(twin.z), engine.decode_field(twin.z)):
        assert logits.shape == (7, *ANATOMY.shape)
        for allowed in (tuple(range(7)), (0, 3)):
            probabilities = class_probabilities(logits, allowed)
            assert np.allclose(probabilities.astype(np.float32).sum(0), 1.0, atol=0.01)
            assert {label for label in range(7) if probabilities[label].any()} <= set(allowed)


@pytest.mark.parametrize(("values", "message"), [
    ({"tissues": ("liver",)}, "does not know"),
    ({"box": (900.0, 910.0, 0.0, 10.0, 0.0, 10.0)}, "no voxel"),
])
def test_an_edit_that_reaches_nothing_is_refused(engine: Engine, twin: Encoded, values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(engine.run(Request("inpaint", **values), twin))


def test_a_missing_model_or_device_is_said() -> None:
    with pytest.raises(ModelError, match="no such model"):
        Engine.open("heart-gigantic")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="cuda"):
            find_compute("cuda")


def test_one_of_several_cards_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_compute("cuda:1").device == torch.device("cuda:1") and find_compute("cuda:1").batch > 1
    assert find_compute("cuda:1").dtype == find_compute("cuda").dtype == torch.bfloat16
    for wrong in ("cuda:2", "cuda:", "cuda:x", "cpu:0", "gpu"):
        with pytest.raises(DeviceError, match=wrong):
            find_compute(wrong)


def test_a_mirrored_twin_is_noticed(engine: Engine) -> None:
    heart = ellipsoid_heart(direction=TILT)
    assert engine.twin(heart).twin.warnings == ()
    mirrored = dataclasses.replace(heart, affine=np.diag([-1.0, 1.0, 1.0, 1.0]) @ heart.affine)
    (warning,) = engine.twin(mirrored).twin.warnings
    assert "mirrored" in warning
