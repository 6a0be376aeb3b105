"""Generated samples against held-out hearts and the baselines: npj Tables 1 and 2, Figs 4 and 5."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..cohorts.dataset_file import pack_file, read_pack
from ..cohorts.measured import MeasuredCohort
from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.files import make_folder
from ..editing.postprocess import canonical_labelmap
from ..labelmaps.write import write_labelmap
from ..metrics.feature_space import NEIGHBOURS, compare, precision_recall, standardise
from ..reports.charts import Group, scatter
from ..reports.comparison import count_occupancy, write_comparison
from ..reports.occupancy_slices import occupancy_slices
from .baselines.pca import ShapePCA
from .charts import renamed
from .conditions import Condition
from .context import StudyContext
from .papers import paper_table
from .seed_choice import LV, RV
from .tables import Row, StudyResult, figure_columns

AIMS = {"recall": 0.85, "precision": 0.85}  # at least
NEAR_CHANCE = 15.0  # points of 1-NNA from 50 %
FEW_VIOLATIONS = 5.0
OF_ONE_KIND = ("precision", "recall", "FMD", "COV-CD", "COV-EMD")  # with a floor: two samples of one kind


def unconditional(context: StudyContext) -> StudyResult:
    """One row each for samples, baselines, real hearts, reconstructed hearts, and every row of the papers."""
    plan, real = context.plan, context.real
    condition = context.generated(plan.unconditional)
    samples = context.measured(condition, "samples")
    baselines, unmeasured = baseline_cohorts(context)
    cohorts = {"samples": samples, **baselines}
    counted = count_occupancy(real, samples)
    rows: list[Row] = []
    notes = [f"Samples: {len(samples)} hearts, seed 0, against {len(real)} of the reference cohort.", *unmeasured]
    for name, cohort in cohorts.items():
        raw = {"TV raw half [%]": condition.mean_violations(raw=True)} if name == "samples" else {}
        found = context.compared(real, cohort)
        rows.append({"cohort": name, "source": "ours", "members": len(cohort), **raw, **figure_columns(found)})
        if name == "samples":
            floor = {name: found.figure(name).floor for name in OF_ONE_KIND if found.has(name)}
            notes += [*aims(rows[-1]), *found.notes]
            report = context.settings.out / "unconditional" / "samples"
            write_comparison(report, found, real, cohort, question="How close are new hearts to held-out ones?",
                             counted=counted)
    rows.append({"cohort": "two samples of one kind (floor)", "source": "ours", **floor})
    rows += [row for row in (against_training(context, samples),) if row]
    rows.append({"cohort": "reference", "source": "ours", "members": len(real),
                 "TV half": real.violation_percent().mean(), "TV full": real.violation_percent(full=True).mean()})
    rows.append(reconstructions(context))
    for key, heads in (("npj-1", ("cohort",)), ("npj-2", ("cohort",)), ("arxiv-1", ("cohort",))):
        table = paper_table(key)
        rows += [{"cohort": row["cohort"], "source": table.name, **{k: v for k, v in row.items() if k not in heads}}
                 for row in table.rows]
    groups = [Group(name, cohort.features, cohort.feature_keys) for name, cohort in cohorts.items()]
    picture = renamed(scatter(Group(real.name, real.features, real.feature_keys), groups, LV, RV), "unconditional")
    occupancy = renamed(occupancy_slices(*counted, real.anatomy), "occupancy")
    notes += ["1-NNA is balanced; MMD-CD is times 1000 and MMD-EMD times 100, in units of the field of view.",
              "TV raw: before repair, comparable to the papers, which have no repair. The baselines are not repaired."]
    notes += baseline_notes(context)
    return StudyResult("unconditional", "Samples against held-out hearts", rows, notes, [picture, occupancy])


def aims(row: Row) -> list[str]:
    """Whether the samples reach the aims of the project, figure by figure."""
    def number(name: str) -> float:
        value = row.get(name)
        return float(value) if isinstance(value, (int, float)) else float("nan")

    found = [f"{name} {number(name):.2f} (aim: at least {least})" for name, least in AIMS.items()]
    found += [f"{name} {number(name):.1f} % (aim: within {NEAR_CHANCE:g} points of 50)"
             for name in ("1-NNA-CD", "1-NNA-EMD") if name in row]
    found.append(f"violations {number('TV half'):.1f} % (aim: below {FEW_VIOLATIONS:g})")
    return ["Aims: " + "; ".join(found) + "."]


def against_training(context: StudyContext, samples: MeasuredCohort) -> Row:
    """Precision, recall and FMD against the features of the training hearts, which the model includes."""
    if context.statistics is None or not set(samples.feature_keys) <= set(context.statistics.keys):
        return {}
    seen = np.stack([context.statistics.column(key) for key in samples.feature_keys], axis=1)
    found = compare(seen, samples.features)
    rng = np.random.default_rng(0)
    ours, theirs = standardise(seen, samples.features)
    size = min(len(ours), len(theirs))
    recall = np.mean([precision_recall(ours[rng.permutation(len(ours))[:size]], theirs)[1] for _ in range(20)])
    return {"cohort": f"samples, against the features of {len(seen)} training hearts", "source": "ours",
            "members": len(samples), "precision": found.precision, "recall": float(recall), "FMD": found.frechet}


def reconstructions(context: StudyContext) -> Row:
    """Violations of some reference hearts put through the autoencoder, before repair (Table 2, "Recon")."""
    chosen = context.real.thinned(context.plan.reconstructed)
    conditions: list[Condition] = []
    for member, path in zip(chosen.members, chosen.paths, strict=True):
        requests = [context.request("reconstruct", 1)]
        conditions += context.conditions.get(f"reconstruct-{member}", requests, context.twin(path))
    return {"cohort": "reference, reconstructed", "source": "ours", "members": len(conditions),
            "TV raw half [%]": float(np.mean([condition.mean_violations(raw=True) for condition in conditions])),
            "TV half": float(np.mean([condition.mean_violations(raw=False) for condition in conditions]))}


def baseline_cohorts(context: StudyContext) -> tuple[dict[str, MeasuredCohort], list[str]]:
    """The baselines' samples, as many as ours, and notes about samples that are not hearts; both empty if no training
    data were given.
    """
    found: dict[str, MeasuredCohort] = {}
    notes: list[str] = []
    if context.settings.train_data is None:
        return found, notes
    count = context.plan.unconditional
    for name, folder in (("PCA", pca_samples(context, count)), ("VAE", vae_samples(context, count))):
        try:
            cohort = context.measured(sorted(folder.glob("heart_*.nii.gz"))[:count], name)
        except InputError as error:  # a VAE trained for a few minutes draws empty maps
            notes.append(f"{name} was left out because no sample of {count} is a heart ({error.value}).")
            continue
        if cohort.skipped:
            notes.append(f"{name}: {len(cohort.skipped)} of {count} samples are not hearts and were left out.")
        if len(cohort) > NEIGHBOURS:
            found[name] = cohort
    return found, notes


def pca_samples(context: StudyContext, count: int) -> Path:
    """A folder with samples of the principal components, which are fitted once."""
    out = context.settings.out / "baselines" / "pca"
    weights = out / "components.npz"
    if not weights.exists():
        context.say("fitting principal components of signed distances")
        ShapePCA.fit(training_maps(context), context.anatomy).save(weights)
    missing = [k for k in range(count) if not heart_file(out, k).exists()]
    if missing:
        model = ShapePCA.load(weights, context.anatomy)
        for k in missing:
            write_heart(out, k, model.sample(k), context.anatomy)
    return out


def vae_samples(context: StudyContext, count: int) -> Path:
    """A folder with samples of the global-latent VAE, which is trained once."""
    from .baselines.vae import load_vae, save_vae, train_vae

    out, minutes = context.settings.out / "baselines" / "vae", context.plan.minutes
    weights = out / "weights.safetensors"
    if not weights.exists():
        context.say(f"training the global-latent VAE for {minutes:g} minutes")
        maps = list(training_maps(context))
        vae, steps = train_vae(maps, context.anatomy, minutes=minutes)
        save_vae(weights, vae, {"minutes": minutes, "steps": steps, "maps": len(maps)})
    missing = [k for k in range(count) if not heart_file(out, k).exists()]
    if missing:
        model, _ = load_vae(weights)
        for k in missing:
            write_heart(out, k, model.sample(k), context.anatomy)
    return out


def baseline_notes(context: StudyContext) -> list[str]:
    """Notes about the baselines."""
    if context.settings.train_data is None:
        return ["The baselines (PCA of signed distances, global-latent VAE) were left out because they need the "
                "training maps: --train-data FILE, as written by `siblings prepare`."]
    from .baselines.vae import load_vae

    pca = ShapePCA.load(context.settings.out / "baselines" / "pca" / "components.npz", context.anatomy)
    _, about = load_vae(context.settings.out / "baselines" / "vae" / "weights.safetensors")
    return [f"PCA: {len(pca.deviations)} components with {pca.kept:.1%} of the variance of the signed distances of "
            f"{pca.maps} training maps on a 5.6 mm grid.",
            f"VAE: one vector of 128 as in npj, but about a tenth of the channels, and {about['steps']} steps in "
            f"{about['minutes']:g} minutes on the CPU: smaller and trained for a shorter time than in the paper."]


def training_maps(context: StudyContext) -> Iterable[npt.NDArray[np.uint8]]:
    """The training maps of the data set; a quick run takes about 24 of them."""
    pack = read_pack(pack_file(context.settings.train_data or Path()))
    chosen = pack.indices("train")
    step = max(1, len(chosen) // 24) if context.settings.quick else 1
    return (pack.labels(index) for index in chosen[::step])


def heart_file(out: Path, k: int) -> Path:
    """The file of heart k of a baseline."""
    return out / f"heart_{k:04d}.nii.gz"


def write_heart(out: Path, k: int, labels: npt.NDArray[np.uint8], anatomy: Anatomy) -> None:
    """Writes canonical labels (D, H, W) uint8, KJI order, as a label map."""
    make_folder(out)
    write_labelmap(canonical_labelmap(labels, anatomy), heart_file(out, k), "nii.gz")
