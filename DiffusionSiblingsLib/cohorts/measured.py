"""A cohort measured member by member: features, checks, points of its surfaces, packed voxels. Streams over folders."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelMap, LabelValues
from ..labelmaps.geometry.canonical import canonicalise
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.geometry.resample import resample_to_canonical
from ..labelmaps.tissues import check_tissues, known_labels
from ..metrics.measurement import MeasurementKey, tissue_key
from ..metrics.measures.measure import Measured
from ..metrics.pointcloud import surface_draws
from ..metrics.topology import check
from .cache import Cache
from .dataset_file import encode
from .measured_map import MeasuredMap
from .members import Member, find_members, read_member
from .named_measures import named_columns, named_measures
from .pool import each, or_reason
from .store import Store, joined

SEED = 20240  # of the random points of every surface; with the member's name it decides them
SAME_GRID_MM = 1e-3
FloatArray = npt.NDArray[np.float64]
Clouds = npt.NDArray[np.float32]
Progress = Callable[[int, int, str], None]  # members done, members in all, the one that is ready now
Source = Path | str | Sequence[Path | str] | Sequence[Member]


@dataclass(frozen=True)
class MeasuredMember:
    """The measurements of one map.

    features: 12. volumes: ml by tissue. failed_half, failed_full: names of failed checks at half and full resolution.
    All of these are of the map on its own grid, as metrics.csv has them.
    cloud: (1024, 3) float32, random points of its surface in canonical mm; second_cloud: another draw of the same
    surface. packed: `dataset_file.encode` of the (128, 128, 128) canonical labels. notes: what reading it assumed.
    measures: by name; None where they were not asked for.
    """

    name: str
    features: dict[MeasurementKey, float]
    volumes: dict[str, float]
    failed_half: tuple[str, ...]
    failed_full: tuple[str, ...]
    cloud: Clouds
    second_cloud: Clouds
    packed: bytes
    path: Path
    notes: tuple[str, ...] = ()
    measures: Measured | None = None


@dataclass(frozen=True)
class MeasuredCohort:
    """A measured cohort of n members, in the order in which they were found.

    features: (n, f) float64, in the order of feature_keys; volumes: (n, t) float64, ml, in the order of anatomy.ids.
    failed_half, failed_full: names of the failed checks of each member; checks: names of all.
    clouds, second_clouds: (n, 1024, 3) float32, canonical mm. skipped: name -> why it could not be measured.
    notes: name -> what reading the map assumed, for maps where something was.
    named: (n,) float64 for each measure by name, nan for a member without it; {} where they were not asked for.
    """

    name: str
    anatomy: Anatomy
    members: tuple[str, ...]
    paths: tuple[Path, ...]
    feature_keys: tuple[MeasurementKey, ...]
    features: FloatArray
    volumes: FloatArray
    checks: tuple[str, ...]
    failed_half: tuple[tuple[str, ...], ...]
    failed_full: tuple[tuple[str, ...], ...]
    clouds: Clouds
    second_clouds: Clouds
    store: Store
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    named: dict[MeasurementKey, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.members)

    def noted(self) -> dict[str, int]:
        """What reading the maps assumed -> for how many of them."""
        return dict(Counter(words for notes in self.notes.values() for words in notes))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The same in sentences."""
        return tuple(f"{self.name}, {count} of {len(self)} maps: {words}" for words, count in self.noted().items())

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        """(D, H, W) uint8, KJI order, canonical labels of one member; unpacked when asked for."""
        return self.store.labels(index)

    def column(self, key: MeasurementKey) -> FloatArray:
        """(n,) float64, one measurement: a feature or a tissue's volume. InputError for any other."""
        if key in self.feature_keys:
            return self.features[:, self.feature_keys.index(key)]
        volumes = [tissue_key(tissue) for tissue in self.anatomy.ids]
        if key in volumes:
            return self.volumes[:, volumes.index(key)]
        raise InputError("The cohort does not have this measurement", value=key.title,
                         rule=", ".join(known.title for known in dict.fromkeys([*self.feature_keys, *volumes])))

    def columns(self) -> dict[MeasurementKey, FloatArray]:
        """(n,) float64 for each measurement: the features, then the volumes of the other tissues."""
        volumes = (tissue_key(tissue) for tissue in self.anatomy.ids)
        return {key: self.column(key) for key in dict.fromkeys([*self.feature_keys, *volumes])}

    def member(self, index: int) -> tuple[dict[MeasurementKey, float], dict[str, float]]:
        """The features, and the volumes in ml by tissue, of one member."""
        return (dict(zip(self.feature_keys, self.features[index].tolist(), strict=True)),
                dict(zip(self.anatomy.ids, self.volumes[index].tolist(), strict=True)))

    def violation_percent(self, full: bool = False) -> FloatArray:
        """(n,) failed checks of each member over all checks, in percent, at half or full resolution."""
        failed = self.failed_full if full else self.failed_half
        return 100.0 * np.array([len(names) for names in failed], dtype=np.float64) / max(len(self.checks), 1)

    def subset(self, indices: Iterable[int], name: str | None = None) -> MeasuredCohort:
        """Some of the members, in the order of `indices`."""
        chosen = [int(index) for index in indices]
        return MeasuredCohort(
            self.name if name is None else name, self.anatomy, tuple(self.members[i] for i in chosen),
            tuple(self.paths[i] for i in chosen), self.feature_keys, self.features[chosen], self.volumes[chosen],
            self.checks, tuple(self.failed_half[i] for i in chosen), tuple(self.failed_full[i] for i in chosen),
            self.clouds[chosen], self.second_clouds[chosen], self.store.subset(chosen),
            named={key: values[chosen] for key, values in self.named.items()})

    def thinned(self, most: int) -> MeasuredCohort:
        """At most so many of the members, evenly chosen."""
        count = len(self)
        return self if count <= most else self.subset(np.linspace(0, count - 1, most).round().astype(int))


def measure_cohort(source: Source, anatomy: Anatomy, reference: Reference, *, jobs: int = 0, cache: Path | None = None,
                   labels: LabelValues | None = None, progress: Progress | None = None,
                   name: str | None = None, by_name: bool = False) -> MeasuredCohort:
    """Measures every map of a cohort, in several processes, one map in memory at a time in each.

    source: what `find_members` takes, or members. jobs: processes, 0 for one a core. cache: a folder where every
    member's measurement is kept as soon as it is there, so that a run that was stopped goes on and a second one only
    reads; without one the packed voxels stay in memory (12 kB a heart). labels: tissue id -> value in the files; by
    default what names, or the record of a run, say.
    progress: called after every member. Maps that cannot be measured are left out and named in `skipped`. by_name:
    whether to find the measures by name as well (about a second a map, unless its record has them).
    Raises InputError where none can be measured.
    """
    members = _members(source, anatomy)
    kept = Cache.of(cache, anatomy, reference, labels, by_name=by_name) if cache is not None else None
    found: dict[int, MeasuredMember] = {}
    skipped: dict[int, str] = {}
    settings = MeasuringSettings(anatomy, reference, labels, kept, by_name)
    for done, (index, result) in enumerate(_each(members, settings, jobs), 1):
        if isinstance(result, str):
            skipped[index] = result
        else:
            found[index] = result
        if progress is not None:
            progress(done, len(members), members[index].name)
    if not found:
        shown = next(iter(skipped.values()))
        raise InputError(f"None of the {len(members)} label maps of the cohort can be measured", value=shown,
                         hint="the message is about the first of them; correct it, or name another folder")
    order = sorted(found)
    places = tuple(found[index].packed if kept is None else kept.path(members[index]) for index in order)
    store = Store(anatomy.shape, places)
    return collect([found[index] for index in order], anatomy, name=name or _name_of(source), store=store,
                   skipped={members[index].name: skipped[index] for index in sorted(skipped)})


def measure_member(member: Member, anatomy: Anatomy, reference: Reference, *, labels: LabelValues | None = None,
                   twin_frame: npt.NDArray[np.float64] | None = None, by_name: bool = False) -> MeasuredMember:
    """Measures one map. twin_frame: (4, 4) canonical mm -> RAS mm; by default that of the member's record. by_name: of
    `measure_cohort`.

    Its place in the canonical frame: a map on the canonical grid is taken as it is; the sibling of a twin lies where
    its twin lies, so that a changed heart is not moved to fit the reference again; anything else is aligned
    (`geometry.canonicalise`). The same map under the same name gives the same points, on any machine and in any order.
    A map that lacks a chamber cannot be used; the volume of another missing tissue is nan. Raises InputError.
    """
    labelmap = read_member(member, anatomy, labels, unknown=False, whole=False)
    known = known_labels(labelmap, anatomy)
    measured = MeasuredMap.of(labelmap, known, anatomy)
    volumes = dict(measured.volumes)
    if member.entry is None and not _is_canonical(labelmap, anatomy):  # a model drew the others: a loss is a finding
        if not all(volumes[chamber] for chamber in anatomy.chambers):
            check_tissues(labelmap, anatomy, member.path)
        volumes = {tissue: ml or float("nan") for tissue, ml in volumes.items()}
    canonical = _placed(labelmap, known, anatomy, reference, twin_frame if twin_frame is not None else _frame(member))
    rng = np.random.default_rng([SEED, int.from_bytes(hashlib.sha256(member.name.encode()).digest()[:8], "little")])
    affine = CanonicalFrame.of(anatomy).affine
    one, other = surface_draws(canonical, affine, anatomy, rng, draws=2)
    return MeasuredMember(member.name, measured.features, volumes, measured.checks["half"].failed,
                          measured.checks["full"].failed, one.astype(np.float32), other.astype(np.float32),
                          encode(canonical).tobytes(), member.path, labelmap.notes,
                          named_measures(member, labelmap, known, anatomy) if by_name else None)


def collect(members: Sequence[MeasuredMember], anatomy: Anatomy, *, name: str = "cohort", store: Store | None = None,
            skipped: dict[str, str] | None = None) -> MeasuredCohort:
    """A cohort of measured members. store: where their voxels are, by default in memory."""
    if not members:
        raise InputError("The cohort has no members", rule="at least one measured label map")
    keys = tuple(members[0].features)
    return MeasuredCohort(
        name, anatomy, tuple(m.name for m in members), tuple(m.path for m in members), keys,
        np.array([[m.features[key] for key in keys] for m in members], dtype=np.float64),
        np.array([[m.volumes[tissue] for tissue in anatomy.ids] for m in members], dtype=np.float64),
        check_names(anatomy), tuple(m.failed_half for m in members), tuple(m.failed_full for m in members),
        np.stack([m.cloud for m in members]), np.stack([m.second_cloud for m in members]),
        store or Store(anatomy.shape, tuple(m.packed for m in members)), dict(skipped or {}),
        {m.name: m.notes for m in members if m.notes},
        named_columns([m.measures for m in members if m.measures is not None], anatomy)
        if all(m.measures is not None for m in members) else {})


def join(cohorts: Sequence[MeasuredCohort], name: str) -> MeasuredCohort:
    """Several measured cohorts as one. Raises InputError where they do not measure the same things."""
    first = cohorts[0]
    if any(c.feature_keys != first.feature_keys or c.anatomy.id != first.anatomy.id for c in cohorts):
        raise InputError("Cohorts with different measurements cannot be joined", value=[c.name for c in cohorts],
                         rule="one anatomy and the same measurements", hint="measure all of them with one anatomy")
    return MeasuredCohort(
        name, first.anatomy, tuple(m for c in cohorts for m in c.members), tuple(p for c in cohorts for p in c.paths),
        first.feature_keys, np.concatenate([c.features for c in cohorts]),
        np.concatenate([c.volumes for c in cohorts]), first.checks,
        tuple(f for c in cohorts for f in c.failed_half), tuple(f for c in cohorts for f in c.failed_full),
        np.concatenate([c.clouds for c in cohorts]), np.concatenate([c.second_clouds for c in cohorts]),
        joined([c.store for c in cohorts]), {key: why for c in cohorts for key, why in c.skipped.items()},
        {key: notes for c in cohorts for key, notes in c.notes.items()},
        {key: np.concatenate([c.named[key] for c in cohorts]) for key in first.named
         if all(key in c.named for c in cohorts)})


def check_names(anatomy: Anatomy) -> tuple[str, ...]:
    """The names of the anatomy's checks, in their order."""
    return tuple(check(np.zeros((1, 1, 1), dtype=np.uint8), anatomy).checks)


@dataclass(frozen=True)
class MeasuringSettings:
    """What all members of a cohort are measured with; handed to every process once."""

    anatomy: Anatomy
    reference: Reference
    labels: LabelValues | None
    cache: Cache | None
    by_name: bool = False


_settings: list[MeasuringSettings] = []  # of this process


def _begin(settings: MeasuringSettings) -> None:
    _settings[:] = [settings]


def _each(members: Sequence[Member], settings: MeasuringSettings,
          jobs: int) -> Iterator[tuple[int, MeasuredMember | str]]:
    """(index, measurement or the reason why there is none) of every member; those in the cache come first."""
    missing = []
    for index, member in enumerate(members):
        known = settings.cache.read(member) if settings.cache is not None else None
        if known is None:
            missing.append(index)
        else:
            yield index, known
    for number, result in each(_measured, [members[index] for index in missing], jobs, start=_begin, given=(settings,)):
        yield missing[number], result


def _measured(member: Member) -> MeasuredMember | str:
    """A member's measurement, kept in the cache; the reason in words where there can be none."""
    settings = _settings[0]
    found = or_reason(lambda one: measure_member(one, settings.anatomy, settings.reference, labels=settings.labels,
                                                 by_name=settings.by_name), member)
    if settings.cache is not None and not isinstance(found, str):
        settings.cache.write(member, found)
    return found


def _placed(labelmap: LabelMap, known: npt.NDArray[np.uint8], anatomy: Anatomy, reference: Reference,
            to_world: npt.NDArray[np.float64] | None) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8, the map in the canonical grid."""
    if _is_canonical(labelmap, anatomy):
        return known
    if to_world is not None:
        return resample_to_canonical(known, labelmap.affine, to_world, CanonicalFrame.of(anatomy))
    return canonicalise(known, labelmap.affine, anatomy, reference).labels


def _is_canonical(labelmap: LabelMap, anatomy: Anatomy) -> bool:
    """True for a map on the canonical grid itself, as new hearts without a twin are written."""
    frame = CanonicalFrame.of(anatomy)
    same = labelmap.labels.shape == frame.shape
    return same and np.allclose(labelmap.affine, frame.affine, rtol=0, atol=SAME_GRID_MM)


def _frame(member: Member) -> FloatArray | None:
    return None if member.canonical_to_ras is None else np.array(member.canonical_to_ras, dtype=np.float64)


def _members(source: Source, anatomy: Anatomy) -> list[Member]:
    if not isinstance(source, (str, Path)) and source and all(isinstance(part, Member) for part in source):
        return [part for part in source if isinstance(part, Member)]
    return find_members(source, anatomy=anatomy)  # type: ignore[arg-type]


def _name_of(source: Source) -> str:
    """What a cohort is called unless somebody says: its folder's name."""
    if isinstance(source, (str, Path)):
        return Path(source).resolve().name
    first = source[0]
    path = first.path if isinstance(first, Member) else Path(first)
    return path.resolve().parent.name if isinstance(first, Member) else path.resolve().name
