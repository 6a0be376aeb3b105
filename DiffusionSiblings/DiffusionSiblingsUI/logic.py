"""What the module can do, for the Python console, the panel and the effects; names and defaults as on the command line.

    logic = slicer.util.getModuleLogic("DiffusionSiblings")
    nodes = logic.perturb(twin, ratio=0.5, count=4, seed=0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.defaults import AMOUNT, COUNT, DEFAULT_MODEL, INPAINT_RATIO, RATIO, SEED
from DiffusionSiblingsLib.editing.request import Request

# All the rest is imported by the functions that need it: Slicer imports this file when it starts, and users wait.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from DiffusionSiblingsUI.runs.edits import Task
    from DiffusionSiblingsUI.runs.making import Options
    from DiffusionSiblingsUI.runs.meshing import MeshOptions, MeshTask
    from DiffusionSiblingsUI.runs.operation import Operation

    Listener = Callable[[Operation], None]


class SiblingsLogic:
    """Edits of twins in the scene.

    generate, reconstruct, perturb, inpaint, measure and replay stay until they are done (Slicer draws and reacts
    meanwhile) and raise SiblingsError; `start` and `sibling_operation` return at once. labels: tissue ID -> name or ID
    of its segment ({"LV": "Segment_1"}), for segmentations whose names and terminology do not say.
    making: gate="components,contacts" rejects siblings that fail these acceptance checks, gate_limit: how many are
    drawn at most for each one asked for; jobs: parallel processes; out: a folder in which the run's files stay;
    resume=True continues the unfinished run in that folder.
    """

    def __init__(self, session: Any = None) -> None:
        self._session = session

    @property
    def session(self) -> Any:
        """The worker that module and effects share."""
        from DiffusionSiblingsUI.runs.session import shared_session

        return self._session or shared_session()

    def _worker(self) -> Any:
        """The same, once it can start. Raises InstallError with what is not installed."""
        from DiffusionSiblingsUI.setup import environment

        if self._session is None:
            environment.require()
        return self.session

    def generate(self, count: int = COUNT, seed: int = SEED, *, steps: int | None = None, first: int = 0,
                 repair: bool = True, model: str = DEFAULT_MODEL, device: str = "auto",
                 **making: Unpack[Options]) -> list[Any]:
        """New hearts that have no twin -> segmentation nodes."""
        request = arguments().request_of("generate", count=count, seed=seed, first=first, steps=steps, repair=repair)
        return self._nodes((request,), making, model=model, device=device)

    def reconstruct(self, segmentationNode: Any, *, labels: Mapping[str, str] | None = None, overwrite: bool = False,
                    model: str = DEFAULT_MODEL, device: str = "auto") -> list[Any]:
        """The twin through the autoencoder: what the model can represent -> one segmentation node in a list."""
        request = arguments().request_of("reconstruct", overwrite=overwrite)
        return self._nodes((request,), {}, segmentationNode, labels, model=model, device=device)

    def perturb(self, segmentationNode: Any, ratio: float | Sequence[float] = RATIO, count: int = COUNT,
                seed: int = SEED, *, steps: int | None = None, first: int = 0, overwrite: bool = False,
                repair: bool = True, labels: Mapping[str, str] | None = None, model: str = DEFAULT_MODEL,
                device: str = "auto", **making: Unpack[Options]) -> list[Any]:
        """Siblings that differ from the twin everywhere -> segmentation nodes. Several ratios: `count` of each."""
        requests = tuple(arguments().request_of("perturb", count=count, seed=seed, first=first, steps=steps,
                                                ratio=value, overwrite=overwrite, repair=repair)
                         for value in arguments().ratios_of(ratio))
        return self._nodes(requests, making, segmentationNode, labels, model=model, device=device)

    def inpaint(self, segmentationNode: Any, tissues: Sequence[str] | str = (), *, roi: Any = None,
                segment: tuple[Any, str] | None = None, box: Sequence[float] | None = None,
                ratio: float = INPAINT_RATIO, count: int = COUNT, seed: int = SEED, steps: int | None = None,
                first: int = 0, method: Literal["replace", "guidance"] = "replace", resample: int = 1,
                overwrite: bool = False, repair: bool = True, labels: Mapping[str, str] | None = None,
                model: str = DEFAULT_MODEL, device: str = "auto", **making: Unpack[Options]) -> list[Any]:
        """Siblings that differ from the twin in some tissues, or in a region, only -> segmentation nodes.

        tissues: "LV" or ("LV", "RV"). roi: markups ROI node. segment: (segmentation node, segment name or ID), painted.
        box: x0, x1, y0, y1, z0, z1 in RAS mm. Given together, the edit acts where all of them meet.
        """
        roi, painted = arguments().roi_of(roi), arguments().painted(segment)
        region = arguments().region_of(roi, painted)
        arguments().check_place(tissues, box, region)
        request = arguments().request_of("inpaint", count=count, seed=seed, first=first, steps=steps, ratio=ratio,
                                         tissues=tissues, box=box, region=region, method=method, resample=resample,
                                         overwrite=overwrite, repair=repair)
        return self._nodes((request,), making, segmentationNode, labels, roi=roi, segment=painted, model=model,
                           device=device)

    def guide(self, segmentationNode: Any = None, control: Any = None, preset: Sequence[str] | str = (),
              amount: float = AMOUNT, ratio: float | None = None, tissues: Sequence[str] | str = (),
              hold: Sequence[str] | str = (), count: int = COUNT, seed: int = SEED, *, want: Sequence[str] | str = (),
              roi: Any = None, segment: tuple[Any, str] | None = None, box: Sequence[float] | None = None,
              guider: str = "projection", parsing: str = "auto", steps: int | None = None, first: int = 0,
              overwrite: bool = False, repair: bool = True, labels: Mapping[str, str] | None = None,
              model: str = DEFAULT_MODEL, device: str = "auto", **making: Unpack[Options]) -> list[Any]:
        """Siblings that have the measurements asked for -> segmentation nodes.

        control: a Control, the path of a control.json, or markups nodes that are domains; those of the scene if neither
        it nor a preset, `hold` or `want` is given. preset: names, changed by `amount` (0.2 = 20 %). hold: tissues that
        keep their volume, or "all". want: volumes and measures by name, "wall thickness=+2mm". Perturbs at `ratio`
        (0.6), or with tissues, roi, segment or box inpaints; without a segmentation node new hearts are drawn.
        """
        from DiffusionSiblingsUI.guide.request import guided_task
        from DiffusionSiblingsUI.runs.making import Making

        task = guided_task(segmentationNode, control, preset=preset, amount=amount, hold=hold, want=want, ratio=ratio,
                           tissues=tissues, roi=roi, segment=segment, box=box, labels=labels, model=model,
                           device=device, guider=guider, parsing=parsing, count=count, seed=seed, first=first,
                           steps=steps, overwrite=overwrite, repair=repair)
        return list(self.run_operation(replace(task, making=Making.of(making))).wait().siblings)

    def measure(self, segmentationNodes: Sequence[Any], on_update: Listener | None = None) -> list[dict[str, Any]]:
        """Volumes, axes and topological checks of segmentations as they are -> rows of metrics.csv."""
        from DiffusionSiblingsUI.runs.operation import Operation
        from DiffusionSiblingsUI.runs.scene_edits import measuring

        several = isinstance(segmentationNodes, (list, tuple))
        given: list[Any] = list(segmentationNodes) if several else [segmentationNodes]
        nodes = [arguments().segmentation(node, "segmentationNodes") for node in given]
        return list(Operation(measuring(self._worker(), nodes), title=_("Measuring"), on_update=on_update).wait())

    def mesh(self, segmentationNodes: Any, *, tets: bool = False, out: Any = None, replace: bool = False,
             labels: Mapping[str, str] | None = None, show: bool = True, jobs: int = 1,
             **options: Unpack[MeshOptions]) -> Any:
        """Meshes of segmentations, or of all siblings of a run -> Meshes: `shown` are those in the scene.

        tets: fill the tissues with tetrahedra. out: a folder that keeps the files, a folder for each heart; replace:
        earlier meshes in it. show: models come into the scene, in the place of a heart's earlier mesh. options:
        formats=("gmsh", "abaqus"), edge=2.0 mm, walls={"RV": 3} and valves=4 to grow, numbering, space="LPS", grade=2.
        """
        from DiffusionSiblingsUI.runs.meshing import MeshTask, heart_of, settings_of
        from DiffusionSiblingsUI.runs.scene_edits import segments_of

        given = getattr(segmentationNodes, "siblings", segmentationNodes)
        nodes = [arguments().segmentation(node, "segmentationNodes")
                 for node in (given if isinstance(given, (list, tuple)) else [given])]
        hearts = tuple(heart_of(node, segments_of(node, arguments().check_labels(labels)) if labels else None)
                       for node in nodes)
        task = MeshTask(hearts, settings_of(tets, options), str(out or ""), tuple(nodes) if show else (), replace, jobs)
        return self.mesh_operation(task).wait()

    def replay(self, run: Any, *, device: str = "auto") -> list[dict[str, Any]]:
        """Makes the siblings of a run again -> one row each: identical, within tolerance, or different."""
        return list(self.replay_operation(run, device=device).wait())

    def openCohort(self, folder: Any, *, model: str = DEFAULT_MODEL) -> Any:  # noqa: N802
        """A folder of label maps, or of a run, as a cohort of the scene: a table of measurements of all of them."""
        return self.cohort_operation(folder, model=model).wait()

    def compareCohorts(self, real: Any, synthetic: Any = None, out: Any = None, *, emd: bool = False,  # noqa: N802
                       question: str = "", model: str = DEFAULT_MODEL) -> Any:
        """A synthetic cohort against a real one -> Results: figures, occupancy differences, report in the folder `out`.

        real, synthetic: folders, cohorts that were opened, or runs; synthetic None: all siblings of the scene. emd:
        with the exact earth mover's distance, which takes minutes. out: "" or None writes no report that stays.
        question: what the comparison is to answer; it stands in the report.
        """
        return self.compare_operation(real, synthetic, out, emd=emd, question=question, model=model).wait()

    def reportCohort(self, cohort: Any, out: Any, *, question: str = "", use: str = "",  # noqa: N802
                     model: str = DEFAULT_MODEL) -> Any:
        """The report of one cohort, in the folder `out` -> the path of its page.

        question: what the cohort is to answer. use: who decides what with it. Both stand in the report.
        """
        return self.report_operation(cohort, out, question=question, use=use, model=model).wait()

    def start(self, task: Task, *, title: str = "", on_update: Listener | None = None,
              on_finished: Listener | None = None) -> Operation:
        """Begins an edit and returns at once; its result is the Run that is in the scene then (needs Qt)."""
        return self.run_operation(task, title=title, on_update=on_update, on_finished=on_finished).start()

    def run_operation(self, task: Task, *, title: str = "", on_update: Listener | None = None,
                      on_finished: Listener | None = None) -> Operation:
        """The same, not yet begun: `start()` it, or `wait()` for its Run."""
        from DiffusionSiblingsUI.runs.operation import Operation
        from DiffusionSiblingsUI.runs.scene_edits import into_scene, title_of

        title = title or title_of(task)
        return Operation(into_scene(self._worker(), task, title), title=title, on_update=on_update,
                         on_finished=on_finished)

    def sibling_operation(self, requests: Request | Sequence[Request], twin: Any, *,
                          tissue_of: Mapping[str, str | None] | None = None, roi: Any = None,
                          segment: tuple[Any, str] | None = None, model: str = DEFAULT_MODEL, device: str = "auto",
                          on_update: Listener | None = None, on_finished: Listener | None = None) -> Operation:
        """An edit whose result (an Outcome) stays out of the scene; not yet begun.

        twin: segmentation node, or `Bridged` (then nothing is read again). tissue_of: segment ID -> tissue ID. Requests
        bounded by `roi` or `segment` alone have region=REGION_TO_COME: the file is written with the twin's.
        """
        from DiffusionSiblingsUI.runs.edits import Task, edit_steps
        from DiffusionSiblingsUI.runs.operation import Operation
        from DiffusionSiblingsUI.runs.scene_edits import title_of

        many = (requests,) if isinstance(requests, Request) else tuple(requests)
        task = Task(many, twin, tissue_of, roi, segment, model, device)
        return Operation(edit_steps(self._worker(), task), title=title_of(task), on_update=on_update,
                         on_finished=on_finished)

    def replay_operation(self, run: Any, *, device: str = "auto", on_update: Listener | None = None,
                         on_finished: Listener | None = None) -> Operation:
        """`replay`, not yet begun. Raises InputError where there is no run."""
        from DiffusionSiblingsUI.runs.operation import Operation
        from DiffusionSiblingsUI.runs.scene_edits import replaying

        arguments().check_run(run)
        return Operation(replaying(self._worker(), run, device), title=_("Replaying"), on_update=on_update,
                         on_finished=on_finished)

    def measures_operation(self, node: Any, tissue_of: Mapping[str, str | None] | None = None, *,
                           on_finished: Listener | None = None) -> Operation:
        """Shows in the views where the measures of a segmentation are -> those that were not found; not yet begun."""
        from DiffusionSiblingsUI.runs.operation import Operation
        from DiffusionSiblingsUI.runs.scene_edits import drawing_measures

        return Operation(drawing_measures(self._worker(), node, tissue_of), title=_("Finding the measures"),
                         on_finished=on_finished)

    def mesh_operation(self, task: MeshTask, *, on_update: Listener | None = None,
                       on_finished: Listener | None = None) -> Operation:
        """`mesh`, not yet begun."""
        from DiffusionSiblingsUI.runs.meshing import meshing
        from DiffusionSiblingsUI.runs.operation import Operation

        return Operation(meshing(self._worker(), task), title=_("Meshing"), on_update=on_update,
                         on_finished=on_finished)

    def cohort_operation(self, folder: Any, *, model: str = DEFAULT_MODEL, on_update: Listener | None = None,
                         on_finished: Listener | None = None) -> Operation:
        """`openCohort`, not yet begun."""
        from DiffusionSiblingsUI.cohorts.work import opening
        from DiffusionSiblingsUI.runs.operation import Operation

        return Operation(opening(self._worker(), folder, model=model), title=_("Opening the cohort"),
                         on_update=on_update, on_finished=on_finished)

    def member_operation(self, cohort: Any, number: int, *, in_3d: bool = False,
                         on_finished: Listener | None = None) -> Operation:
        """Brings a member of a cohort into the scene -> its segmentation node; not yet begun. in_3d: with surfaces."""
        from DiffusionSiblingsUI.cohorts.work import showing
        from DiffusionSiblingsUI.runs.operation import Operation

        return Operation(showing(self._worker(), cohort, number, in_3d), title=_("Reading the heart"),
                         on_finished=on_finished)

    def compare_operation(self, real: Any, synthetic: Any, out: Any, *, emd: bool = False, question: str = "",
                          model: str = DEFAULT_MODEL, on_finished: Listener | None = None) -> Operation:
        """`compareCohorts`, not yet begun."""
        from DiffusionSiblingsUI.cohorts.work import comparing
        from DiffusionSiblingsUI.runs.operation import Operation

        steps = comparing(self._worker(), real, synthetic, out, emd=emd, question=question, model=model)
        return Operation(steps, title=_("Comparing cohorts"), on_finished=on_finished)

    def report_operation(self, cohort: Any, out: Any, *, question: str = "", use: str = "",
                         model: str = DEFAULT_MODEL, on_finished: Listener | None = None) -> Operation:
        """`reportCohort`, not yet begun."""
        from DiffusionSiblingsUI.cohorts.work import reporting
        from DiffusionSiblingsUI.runs.operation import Operation

        return Operation(reporting(self._worker(), cohort, out, question=question, use=use, model=model),
                         title=_("Writing the report"), on_finished=on_finished)

    def _nodes(self, requests: tuple[Request, ...], making: Options, twin: Any = None,
               labels: Mapping[str, str] | None = None, **settings: Any) -> list[Any]:
        """Does an edit to its end -> the siblings' nodes."""
        from DiffusionSiblingsUI.runs.edits import Task
        from DiffusionSiblingsUI.runs.making import Making
        from DiffusionSiblingsUI.runs.scene_edits import segments_of

        if any(request.needs_twin for request in requests):
            arguments().segmentation(twin)
        tissue_of = segments_of(twin, arguments().check_labels(labels)) if labels else None
        task = Task(requests, twin, tissue_of, making=Making.of(making), **settings)
        return list(self.run_operation(task).wait().siblings)


def arguments() -> Any:
    """The checks of what was given in the Python console, loaded when they are needed."""
    from DiffusionSiblingsUI.runs import arguments as checks

    return checks
