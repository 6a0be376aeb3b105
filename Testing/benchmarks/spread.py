"""Whether generated hearts are as varied as held-out ones, as sound, and no copies: figures of models and seeds.

    python Testing/benchmarks/spread.py --cache build/spread --data build/heart --models heart-compact build/new/model \
        [--seeds 1 2] [--count 96] [--solver dpmpp-2m] [--steps 12]

Hearts are drawn in batches and kept in --cache, so that a stopped run goes on. Held-out hearts are the `test` draws of
../shared/data (never trained on). Figures: precision, recall and Frechet distance of the 12 measurements against them;
their standard deviations as a share of theirs; failed checks before any repair; and the largest Dice with a training
heart of --data (`siblings prepare`), beside that of its validation hearts: a copy would come near to 1.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parents[2]
HEARTS = Path(os.environ.get("SIBLINGS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "hearts"
BATCH = 4
THIN = 4  # every fourth voxel along each axis, for the search of copies
COLUMNS = ("precision", "recall", "FMD", "sd least", "sd mean", "sd greatest", "failed full %", "failed half %",
           "nearest Dice mean", "nearest Dice greatest")
Arrays = dict[str, npt.NDArray[Any]]


def main() -> None:
    """Draws what is missing, then prints one row for each model and seed, and one for all seeds of a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["heart-compact"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--solver", default="dpmpp-2m")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--validation", action="store_true", help="compare with the validation hearts of --data "
                        "instead of the test draws, to choose settings")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    rows = [[drawn(model, seed, arguments) for seed in arguments.seeds] for model in arguments.models]
    train, validation = prepared(arguments.data, arguments.cache)
    real = validation["features"] if arguments.validation else held_out(arguments.cache)
    print(f"{len(real)} held-out hearts; {arguments.solver}, {arguments.steps} steps\n\n| model | seed | n | "
          f"{' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for model, sets in zip(arguments.models, rows, strict=True):
        groups = {str(seed): one for seed, one in zip(arguments.seeds, sets, strict=True)}
        if len(sets) > 1:
            groups["all"] = {key: np.concatenate([one[key] for one in sets]) for key in sets[0]}
        for seed, one in groups.items():
            cells = " | ".join(f"{value:.3f}" for value in figures(real, one, train))
            print(f"| {model} | {seed} | {len(one['features'])} | {cells} |")
    near = nearest(validation["thin"], train)
    print(f"\nnearest Dice of {len(near)} validation hearts: mean {near.mean():.3f}, greatest {near.max():.3f}")


def figures(real: npt.NDArray[Any], found: Arrays, train: npt.NDArray[Any]) -> list[float]:
    """The numbers of COLUMNS."""
    from DiffusionSiblingsLib.metrics.feature_space import compare

    told = compare(real, found["features"])
    spread = found["features"].std(0, ddof=1) / real.std(0, ddof=1)
    near = nearest(found["thin"], train)
    return [told.precision, told.recall, told.frechet, spread.min(), spread.mean(), spread.max(),
            found["failed_full"].mean(), found["failed_half"].mean(), near.mean(), near.max()]


def drawn(model: str, seed: int, arguments: argparse.Namespace) -> Arrays:
    """The measurements of a model's hearts of one seed, made now where the cache lacks them."""
    from DiffusionSiblingsLib.models.registry import find_model

    digest = find_model(model).sha256[:12]
    parts = []
    engine: Any = None
    for first in range(0, arguments.count, 24):
        path = arguments.cache / f"{digest}-{arguments.solver}-{arguments.steps}-{seed}-{first}.npz"
        if not path.exists():
            from DiffusionSiblingsLib.engine.engine import Engine

            engine = engine or Engine.open(model)
            save(path, make(engine, seed, range(first, min(first + 24, arguments.count)), arguments))
        with np.load(path) as stored:
            parts.append({key: stored[key] for key in stored.files})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def make(engine: Any, seed: int, numbers: range, arguments: argparse.Namespace) -> Arrays:
    """Hearts `numbers` of a seed, sampled a few at a time, decoded and measured without repair."""
    from DiffusionSiblingsLib.editing.postprocess import most_probable
    from DiffusionSiblingsLib.editing.request import Request
    from DiffusionSiblingsLib.engine.diffusion.sampler import Sampler

    request = Request("generate", seed=seed, solver=arguments.solver, steps=arguments.steps)
    sampler = Sampler(engine.denoiser, engine.schedule(request), request.solver, engine.churn,
                      modes=engine.denoiser.modes)
    rows = []
    for at in range(numbers.start, numbers.stop, BATCH):
        latents = engine.sample(request, sampler, range(at, min(at + BATCH, numbers.stop)), None, None)
        rows += [measured(most_probable(engine.decode(z[None]).numpy()), engine.anatomy) for z in latents]
    print(f"{engine.card.id}, seed {seed}: hearts {numbers.start} to {numbers.stop - 1}", flush=True)
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


def measured(labels: npt.NDArray[np.uint8], anatomy: Any) -> Arrays:
    """The 12 measurements, failed checks in per cent, and every fourth voxel, of a map in the canonical frame."""
    from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
    from DiffusionSiblingsLib.metrics.morphology import features
    from DiffusionSiblingsLib.metrics.topology import check_both

    checks = check_both(labels, anatomy)
    values = features(labels, CanonicalFrame.of(anatomy).affine, anatomy)
    return {"features": np.array(list(values.values())), "thin": labels[::THIN, ::THIN, ::THIN].astype(np.uint8),
            "failed_full": np.array(checks["full"].violation_percent),
            "failed_half": np.array(checks["half"].violation_percent)}


def prepared(data: Path, cache: Path) -> tuple[npt.NDArray[np.uint8], Arrays]:
    """(N, d, h, w) every fourth voxel of the training maps of a data set, and the measured validation maps."""
    from DiffusionSiblingsLib.cohorts.dataset_file import pack_file, read_pack
    from DiffusionSiblingsLib.core.anatomy import load_anatomy

    path = cache / "prepared.npz"
    if not path.exists():
        pack = read_pack(pack_file(data))
        anatomy = load_anatomy(pack.anatomy)
        splits = [case.split for case in pack.cases]
        thin = [pack.labels(i)[::THIN, ::THIN, ::THIN] for i, split in enumerate(splits) if split == "train"]
        rows = [measured(pack.labels(i), anatomy) for i, split in enumerate(splits) if split == "validation"]
        save(path, {"train": np.stack(thin), **{key: np.stack([row[key] for row in rows]) for key in rows[0]}})
    with np.load(path) as stored:
        return stored["train"], {key: stored[key] for key in stored.files if key != "train"}


def held_out(cache: Path) -> npt.NDArray[np.float64]:
    """(203, 12) measurements of the `test` draws, each on its own grid."""
    import nibabel

    from DiffusionSiblingsLib.core.anatomy import load_anatomy
    from DiffusionSiblingsLib.metrics.morphology import features

    drawn = json.loads((HEARTS / "drawn.json").read_text())
    names = {Path(case["name"]).name.removesuffix(".nii") for case in drawn if case["split"] == "test"}
    path = cache / f"held-out-{hashlib.sha256(' '.join(sorted(names)).encode()).hexdigest()[:8]}.npz"
    if not path.exists():
        anatomy, rows = load_anatomy("heart"), []
        with tarfile.open(HEARTS / "drawn.tar.xz") as archive:
            for member in archive:
                if Path(member.name).name.removesuffix(".nii") in names and (file := archive.extractfile(member)):
                    image = nibabel.Nifti1Image.from_stream(io.BytesIO(file.read()))
                    labels = np.asarray(image.dataobj).astype(np.uint8).transpose()  # IJK -> KJI
                    rows.append(list(features(np.ascontiguousarray(labels), image.affine, anatomy).values()))
        save(path, {"features": np.array(rows)})
    with np.load(path) as stored:
        return np.asarray(stored["features"])


def nearest(some: npt.NDArray[np.uint8], train: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(n,) the largest Dice of each map with a training map: equal tissue voxels over the mean number of either's."""
    flat, sizes = train.reshape(len(train), -1), (train > 0).reshape(len(train), -1).sum(1)
    found = []
    for one in some.reshape(len(some), -1):
        equal = ((flat == one) & (one > 0)).sum(1)
        found.append((2 * equal / (sizes + (one > 0).sum())).max())
    return np.array(found)


def save(path: Path, arrays: Arrays) -> None:
    """Writes an .npz file that is complete at any time."""
    temporary = path.with_suffix(".part.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)


if __name__ == "__main__":
    main()
