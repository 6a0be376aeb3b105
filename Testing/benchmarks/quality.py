"""What the shipped model can do, measured: reconstruction, perturbing, inpainting, generating.

    python Testing/benchmarks/quality.py [reconstruct] [perturb] [inpaint] [generate] [--out figures.json]

Needs ../shared/data (hearts that training never saw) and prints Markdown tables. The figures in the README and in the
model card come from here; `--card` writes them into the model card.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SIBLINGS_SHARED_DATA", ROOT.parent / "shared" / "data"))
REAL = DATA / "hearts" / "real"
HELD_OUT = ("rodero_ct_13", "rodero_ct_14", "rodero_ct_15", "toronto_normal")
SYNTHETIC_TISSUE = {"toronto_normal": ("Myo",)}  # not segmented there: a shell about the left ventricle
RATIOS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)


def main() -> None:
    """Runs the parts named on the command line, or all."""
    from DiffusionSiblingsLib.engine.engine import Engine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--model", default="heart-compact")
    parser.add_argument("--count", type=int, default=64, help="hearts to generate (default 64)")
    parser.add_argument("--card", action="store_true", help="write the figures into the model card")
    arguments = parser.parse_args()
    engine = Engine.open(arguments.model)
    print(f"Model {engine.card.id} {engine.card.version}, {engine.compute.to_json()}\n")
    figures = {part: PARTS[part](engine, arguments.count) for part in arguments.parts or PARTS}
    if arguments.card:
        from DiffusionSiblingsLib.models.card_page import update_card

        update_card(engine.card.folder, figures)


def reconstruct(engine: Any, count: int) -> dict[str, Any]:
    """Dice of the reconstruction per tissue on held-out hearts, of either decoder, in the canonical frame."""
    from DiffusionSiblingsLib.editing.postprocess import most_probable
    from DiffusionSiblingsLib.metrics.overlap import dice

    values = {tissue.id: tissue.label for tissue in engine.anatomy.tissues}
    rows, figures = [], {}
    for name in HELD_OUT:
        twin = engine.twin(REAL / f"{name}.nii.gz")
        truth = twin.twin.canonical.labels
        for decoder in ("convolution", "field"):
            logits = engine.decode(twin.z) if decoder == "convolution" else engine.decode_field(twin.z)
            scores = dice(most_probable(logits.numpy()), truth, values)
            counted = [score for tissue, score in scores.items() if tissue not in SYNTHETIC_TISSUE.get(name, ())]
            figures[f"{name}, {decoder}"] = {**scores, "mean": float(np.mean(counted))}
            rows.append([name, decoder, *(f"{scores[t]:.4f}" for t in values), f"{np.mean(counted):.4f}"])
    show("Reconstruction, held-out hearts (Dice)", ["heart", "decoder", *values, "mean"], rows)
    print("toronto_normal: the mean leaves out Myo, which is synthetic there.\n")
    return figures


def perturb(engine: Any, count: int) -> dict[str, Any]:
    """Distance to the twin, volumes and violations over the sampling ratio; the two limits."""
    from DiffusionSiblingsLib.editing.request import Request

    figures: dict[str, Any] = {}
    rows = []
    for name in ("toronto_normal", "rodero_ct_14"):
        twin = engine.twin(REAL / f"{name}.nii.gz")
        own = twin_violations(engine, twin)
        for ratio in RATIOS:
            siblings = list(engine.run(Request("perturb", ratio=ratio, count=4, seed=11), twin))
            near = float(np.mean([np.mean(list(s.dice_to_twin.values())) for s in siblings]))
            raw = float(np.mean([s.raw_checks["half"].violation_percent for s in siblings]))
            repaired = float(np.mean([s.violation_percent for s in siblings]))
            volumes = {t: float(np.mean([s.volumes[t] for s in siblings])) for t in engine.anatomy.chambers}
            figures[f"{name}, ratio {ratio:g}"] = {
                "dice_to_twin": near, "violations_raw_percent": raw, "violations_percent": repaired,
                "sigma": siblings[0].sigma, **{f"{t}_ml": v for t, v in volumes.items()},
            }
            rows.append([name, f"{ratio:g}", f"{siblings[0].sigma:.3g}", f"{near:.4f}",
                         *(f"{v:.0f}" for v in volumes.values()), f"{raw:.1f}", f"{repaired:.1f}", f"{own:.1f}"])
    show("Perturbing: 4 siblings of each twin and ratio",
         ["twin", "ratio", "sigma", "mean Dice to twin", *(f"{t} ml" for t in engine.anatomy.chambers),
          "violations raw %", "repaired %", "twin's own %"], rows)
    figures["limits"] = limits(engine)
    return figures


def limits(engine: Any) -> dict[str, bool]:
    """psi = 0 is the reconstruction; psi = 1 keeps nothing of the twin."""
    from DiffusionSiblingsLib.editing.request import Request

    one, other = (engine.twin(REAL / f"{name}.nii.gz") for name in ("toronto_normal", "rodero_ct_14"))
    (zero,) = engine.run(Request("perturb", ratio=0.0), one)
    (plain,) = engine.run(Request("reconstruct"), one)
    requests = [(Request("perturb", ratio=1.0, seed=3), twin) for twin in (one, other)]
    noise = [sample_latents(engine, request, twin) for request, twin in requests]
    found = {"ratio 0 equals reconstruct": bool(np.array_equal(zero.known, plain.known)),
             "ratio 1 is independent of the twin": bool(np.array_equal(*noise))}
    for key, value in found.items():
        print(f"{key}: {'yes' if value else 'NO'}")
    print()
    return found


def sample_latents(engine: Any, request: Any, twin: Any) -> np.ndarray:
    """Latents of sibling 0 of a request."""
    from DiffusionSiblingsLib.engine.diffusion.sampler import Sampler

    sampler = Sampler(engine.denoiser, engine.schedule(request))
    return engine.sample(request, sampler, range(1), twin, None).cpu().numpy()


def inpaint(engine: Any, count: int) -> dict[str, Any]:
    """Editing LV and RV of held-out hearts: preserved voxels, spread of the volume, what the myocardium does."""
    from DiffusionSiblingsLib.editing.request import Request

    rows, figures = [], {}
    for name in ("toronto_normal", "rodero_ct_14"):
        twin = engine.twin(REAL / f"{name}.nii.gz")
        known, own = twin.twin.known, twin_violations(engine, twin)
        for tissue in ("LV", "RV"):
            for method in ("replace", "guidance"):
                number = 8 if method == "replace" else 2
                request = Request("inpaint", tissues=(tissue,), count=number, seed=5, ratio=1.0, method=method)
                siblings = list(engine.run(request, twin))
                free = [engine.anatomy.label_of(t) for t in (tissue, "Myo")]
                kept = (known > 0) & ~np.isin(known, free)
                lost = max(int(np.count_nonzero(s.known[kept] != known[kept])) for s in siblings)
                gained = max(int(np.count_nonzero(~np.isin(s.known[~kept], [0, *free]))) for s in siblings)
                volumes = np.array([s.volumes[tissue] for s in siblings])
                myo = np.mean([s.dice_to_twin["Myo"] for s in siblings])
                twin_ml = float(np.count_nonzero(known == free[0]) * twin.twin.labelmap.voxel_volume_ml)
                repaired = float(np.mean([s.violation_percent for s in siblings]))
                figures[f"{name}, {tissue}, {method}"] = {
                    "preserved_voxels_changed": lost + gained, "twin_ml": twin_ml, "mean_ml": float(volumes.mean()),
                    "sd_ml": float(volumes.std()), "min_ml": float(volumes.min()), "max_ml": float(volumes.max()),
                    "myo_dice": float(myo), "violations_percent": repaired, "count": len(siblings),
                }
                rows.append([name, tissue, method, len(siblings), lost + gained, f"{twin_ml:.0f}",
                             f"{volumes.mean():.0f} ({volumes.std():.1f})",
                             f"{volumes.min():.0f} to {volumes.max():.0f}",
                             f"{myo:.3f}", f"{repaired:.1f}", f"{own:.1f}"])
    show("Inpainting", ["twin", "edit", "method", "siblings", "preserved voxels changed", "twin ml", "mean (sd) ml",
                        "range ml", "Myo Dice", "violations %", "twin's own %"], rows)
    return figures


def generate(engine: Any, count: int) -> dict[str, Any]:
    """Generated hearts: violations before and after repair, mean volumes against the training cohort's."""
    from DiffusionSiblingsLib.editing.request import Request

    siblings = list(engine.run(Request("generate", count=count, seed=2)))
    drawn = json.loads((DATA / "hearts" / "drawn.json").read_text())
    cohort = [case["ml"] for case in drawn if case["split"] == "train"]
    raw = float(np.mean([s.raw_checks["half"].violation_percent for s in siblings]))
    repaired = float(np.mean([s.violation_percent for s in siblings]))
    rows, figures = [], {"count": count, "violations_raw_percent": raw, "violations_percent": repaired}
    for tissue in engine.anatomy.ids:
        ours, theirs = (np.array(v) for v in ([s.volumes[tissue] for s in siblings], [c[tissue] for c in cohort]))
        off = 100 * (ours.mean() / theirs.mean() - 1)
        figures[tissue] = {"mean_ml": float(ours.mean()), "sd_ml": float(ours.std()), "cohort_mean_ml":
                           float(theirs.mean()), "cohort_sd_ml": float(theirs.std()), "difference_percent": float(off)}
        rows.append([tissue, *(f"{v.mean():.1f} ({v.std():.1f})" for v in (ours, theirs)), f"{off:+.1f}"])
    show(f"Generating {count}: violations {raw:.2f} % raw, {repaired:.2f} % repaired",
         ["tissue", "mean (sd) ml", "training cohort", "difference %"], rows)
    failed: dict[str, int] = {}
    for sibling in siblings:
        for name in sibling.raw_checks["half"].failed:
            failed[name] = failed.get(name, 0) + 1
    print("failed raw:", failed or "none", "\n")
    picture(engine, siblings)
    return figures


def picture(engine: Any, siblings: list[Any]) -> None:
    """An overview of the first generated hearts, to look at."""
    from DiffusionSiblingsLib.reports.overview import Panel, overview

    path = Path(tempfile.gettempdir()) / "generated.png"
    panels = [Panel(f"heart {s.k}", s.canonical, "") for s in siblings[:12]]
    overview(path, None, panels, engine.anatomy, title="Generated hearts, unselected")
    print(f"Picture of the first {len(panels)}: {path}\n")


def twin_violations(engine: Any, twin: Any) -> float:
    """Violations of a twin itself in percent, half resolution."""
    from DiffusionSiblingsLib.metrics.topology import check_both

    return check_both(twin.twin.known, engine.anatomy)["half"].violation_percent


def show(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A Markdown table."""
    print(f"### {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print(flush=True)


PARTS = {"reconstruct": reconstruct, "perturb": perturb, "inpaint": inpaint, "generate": generate}

if __name__ == "__main__":
    main()
