"""Samples against held-out hearts and against the baselines: npj Tables 1 and 2, Figs 4 and 5."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..cohorts.dataset_file import pack_file, read_pack
from ..cohorts.measured import MeasuredCohort
from ..core.anatomy import Anatomy
from ..core.errors import InputError
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
from .tables import Result, Row, figure_columns

WANTED = {"recall": 0.85, "precision": 0.85}  # at least
NEAR_CHANCE = 15.0  # points of 1-NNA from 50 %
FEW_VIOLATIONS = 5.0
OF_ONE_KIND = ("precision", "recall", "FMD", "COV-CD", "COV-EMD")  # figures with a floor of two samples of one kind


def unconditional(studio: StudyContext) -> Result:
    """A row for the samples, one for each baseline, one for real and reconstructed hearts, and the papers'."""
    plan, real = studio.plan, studio.real
    arm = studio.generated(plan.unconditional)
    samples = studio.measured(arm, "samples")
    baselines, unmeasured = baseline_cohorts(studio)
    cohorts = {"samples": samples, **baselines}
    counted = count_occupancy(real, samples)
    rows: list[Row] = []
    notes = [f"Samples: {len(samples)} hearts, seed 0, against {len(real)} of the reference cohort.", *unmeasured]
    for name, cohort in cohorts.items():
        raw = {"TV raw half [%]": arm.mean_violations(raw=True)} if name == "samples" else {}
        found = studio.compared(real, cohort)
        rows.append({"cohort": name, "source": "ours", "members": len(cohort), **raw, **figure_columns(found)})
        if name == "samples":
            floor = {name: found.figure(name).floor for name in OF_ONE_KIND if found.has(name)}
            notes += [*aims(rows[-1]), *found.notes]
            report = studio.settings.out / "unconditional" / "samples"
            write_comparison(report, found, real, cohort, question="How near are new hearts to held-out ones?",
                             counted=counted)
    rows.append({"cohort": "two samples of one kind (floor)", "source": "ours", **floor})
    rows += [row for row in (against_training(studio, samples),) if row]
    rows.append({"cohort": "reference", "source": "ours", "members": len(real),
                 "TV half": real.violation_percent().mean(), "TV full": real.violation_percent(full=True).mean()})
    rows.append(reconstructions(studio))
    for key, heads in (("npj-1", ("cohort",)), ("npj-2", ("cohort",)), ("arxiv-1", ("cohort",))):
        table = paper_table(key)
        rows += [{"cohort": row["cohort"], "source": table.name, **{k: v for k, v in row.items() if k not in heads}}
                 for row in table.rows]
    groups = [Group(name, cohort.features, cohort.feature_keys) for name, cohort in cohorts.items()]
    picture = renamed(scatter(Group(real.name, real.features, real.feature_keys), groups, LV, RV), "unconditional")
    occupancy = renamed(occupancy_slices(*counted, real.anatomy), "occupancy")
    notes += ["1-NNA is balanced; MMD-CD is times 1000 and MMD-EMD times 100, in units of the field of view.",
              "TV raw: before repair, to be read beside the papers', which have no repair. Baselines are not repaired."]
    notes += baseline_words(studio)
    return Result("unconditional", "Samples against held-out hearts", rows, notes, [picture, occupancy])


def aims(row: Row) -> list[str]:
    """Whether the samples reach what the project set itself, figure by figure."""
    def number(name: str) -> float:
        return float(row.get(name, float("nan")))  # type: ignore[arg-type]

    told = [f"{name} {number(name):.2f} (aim: at least {least})" for name, least in WANTED.items()]
    told += [f"{name} {number(name):.1f} % (aim: within {NEAR_CHANCE:g} points of 50)"
             for name in ("1-NNA-CD", "1-NNA-EMD") if name in row]
    told.append(f"violations {number('TV half'):.1f} % (aim: below {FEW_VIOLATIONS:g})")
    return ["Aims: " + "; ".join(told) + "."]


def against_training(studio: StudyContext, samples: MeasuredCohort) -> Row:
    """Precision, recall and FMD against the features of the training hearts, which ship with the model."""
    if studio.statistics is None or not set(samples.feature_keys) <= set(studio.statistics.keys):
        return {}
    seen = np.stack([studio.statistics.column(key) for key in samples.feature_keys], axis=1)
    found = compare(seen, samples.features)
    rng = np.random.default_rng(0)
    ours, theirs = standardise(seen, samples.features)
    size = min(len(ours), len(theirs))
    recall = np.mean([precision_recall(ours[rng.permutation(len(ours))[:size]], theirs)[1] for _ in range(20)])
    return {"cohort": f"samples, against the features of {len(seen)} training hearts", "source": "ours",
            "members": len(samples), "precision": found.precision, "recall": float(recall), "FMD": found.frechet}


def reconstructions(studio: StudyContext) -> Row:
    """Violations of some reference hearts put through the autoencoder, before repair (Table 2, "Recon")."""
    chosen = studio.real.thinned(studio.plan.reconstructed)
    arms: list[Condition] = []
    for member, path in zip(chosen.members, chosen.paths, strict=True):
        arms += studio.arms.get(f"reconstruct-{member}", [studio.request("reconstruct", 1)], studio.twin(path))
    return {"cohort": "reference, reconstructed", "source": "ours", "members": len(arms),
            "TV raw half [%]": float(np.mean([arm.mean_violations(raw=True) for arm in arms])),
            "TV half": float(np.mean([arm.mean_violations(raw=False) for arm in arms]))}


def baseline_cohorts(studio: StudyContext) -> tuple[dict[str, MeasuredCohort], list[str]]:
    """The baselines' samples, as many as ours, and what is to be said of those that are no hearts; none where no
    training data is given.
    """
    found: dict[str, MeasuredCohort] = {}
    notes: list[str] = []
    if studio.settings.train_data is None:
        return found, notes
    count = studio.plan.unconditional
    for name, folder in (("PCA", pca_samples(studio, count)), ("VAE", vae_samples(studio, count))):
        try:
            cohort = studio.measured(sorted(folder.glob("heart_*.nii.gz"))[:count], name)  # type: ignore[arg-type]
        except InputError as error:  # a VAE of a few minutes draws nothing at all
            notes.append(f"{name}: left out, none of its {count} samples is a heart ({error.value}).")
            continue
        if cohort.skipped:
            notes.append(f"{name}: {len(cohort.skipped)} of {count} samples are no hearts and are left out.")
        if len(cohort) > NEIGHBOURS:
            found[name] = cohort
    return found, notes


def pca_samples(studio: StudyContext, count: int) -> Path:
    """A folder with samples of the principal components, which are fitted once."""
    out = studio.settings.out / "baselines" / "pca"
    weights = out / "components.npz"
    if not weights.exists():
        studio.say("fitting principal components of signed distances")
        ShapePCA.fit(training_maps(studio), studio.anatomy).save(weights)
    missing = [k for k in range(count) if not heart_file(out, k).exists()]
    if missing:
        model = ShapePCA.load(weights, studio.anatomy)
        for k in missing:
            write_heart(out, k, model.sample(k), studio.anatomy)
    return out


def vae_samples(studio: StudyContext, count: int) -> Path:
    """A folder with samples of the global-latent VAE, which is trained once."""
    from .baselines.vae import load_vae, save_vae, train_vae

    out, minutes = studio.settings.out / "baselines" / "vae", studio.plan.minutes
    weights = out / "weights.safetensors"
    if not weights.exists():
        studio.say(f"training the global-latent VAE for {minutes:g} minutes")
        maps = list(training_maps(studio))
        vae, steps = train_vae(maps, studio.anatomy, minutes=minutes)
        save_vae(weights, vae, {"minutes": minutes, "steps": steps, "maps": len(maps)})
    missing = [k for k in range(count) if not heart_file(out, k).exists()]
    if missing:
        model, _ = load_vae(weights)
        for k in missing:
            write_heart(out, k, model.sample(k), studio.anatomy)
    return out


def baseline_words(studio: StudyContext) -> list[str]:
    """What has to be said of the baselines."""
    if studio.settings.train_data is None:
        return ["Baselines (PCA of signed distances, global-latent VAE) were left out: they need the training maps "
                "(--train-data PACK, as `siblings prepare` writes it)."]
    from .baselines.vae import load_vae

    pca = ShapePCA.load(studio.settings.out / "baselines" / "pca" / "components.npz", studio.anatomy)
    _, about = load_vae(studio.settings.out / "baselines" / "vae" / "weights.safetensors")
    return [f"PCA: {len(pca.deviations)} components with {pca.kept:.1%} of the variance of {pca.maps} training maps' "
            "signed distances on a 5.6 mm grid.",
            f"VAE: one vector of 128, as npj's but with about a tenth of its channels, {about['steps']} steps in "
            f"{about['minutes']:g} minutes on the CPU: smaller and trained for less than the paper's."]


def training_maps(studio: StudyContext) -> Iterable[npt.NDArray[np.uint8]]:
    """The training maps of the pack; in a quick run every so many of them."""
    pack = read_pack(pack_file(studio.settings.train_data or Path()))
    chosen = pack.indices("train")
    step = max(1, len(chosen) // 24) if studio.settings.quick else 1
    return (pack.labels(index) for index in chosen[::step])


def heart_file(out: Path, k: int) -> Path:
    """Where heart k of a baseline lies."""
    return out / f"heart_{k:04d}.nii.gz"


def write_heart(out: Path, k: int, labels: npt.NDArray[np.uint8], anatomy: Anatomy) -> None:
    """Writes a canonical map as a label map of its own."""
    out.mkdir(parents=True, exist_ok=True)
    write_labelmap(canonical_labelmap(labels, anatomy), heart_file(out, k), "nii.gz")
