"""What the user has chosen in the module's panel: saved with the scene, one set for each scene."""

# No "from __future__ import annotations": the wrapper reads the types as they stand here.
import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper

from DiffusionSiblingsLib.core.defaults import AMOUNT, DEFAULT_MODEL, GATE_LIMIT, INPAINT_RATIO, RATIO, SEED
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsUI.runs.arguments import AUTOMATIC_STEPS


@parameterNodeWrapper
class SiblingsParameters:
    """twin: segmentation to edit. tissue_overrides: JSON, segment ID -> tissue ID, "" for none, the corrections.

    edit: "generate", "perturb" or "inpaint". ratio: of perturb; inpaint_ratio: of inpaint. tissues: IDs with commas.
    region_kind: "tissues" (whole), "roi" or "segment" (only inside). method, resample, overwrite, repair: as Request.
    guide: whether the targets of the domains, `hold` and `wants` guide the edit. hold: tissue IDs with commas, or
    "all". wants: volumes and measures by name with commas. amount: of presets, in percent.
    checks: acceptance checks, names with commas; wall: thinnest wall for the check of it, mm; most_drawn: siblings
    drawn for each one asked for; jobs: parallel processes; folder: where the run's files stay, "" for nowhere; resume:
    whether an unfinished run in it is continued.
    run: ID of the run that is shown; sibling: its number within the run. cohort, reference: IDs of cohorts, "" for no
    reference; across, up: the measurements of their plot; question, use: what reports are to answer, and for whom.
    mesh_of: "twin", "sibling" (that is shown) or "run" (all of its siblings). mesh_fill: "surfaces" or "tetrahedra".
    mesh_edge: mm, 0 for automatic; mesh_grade: of tetrahedra. mesh_walls: tissues around which walls are grown, and
    "valves", with commas; mesh_thickness: theirs, mm. mesh_folder: where the files stay, "" for nowhere; mesh_formats:
    those besides VTK, with commas; mesh_space: axes of the files; mesh_replace: whether earlier meshes in the folder
    are replaced.
    """

    twin: slicer.vtkMRMLSegmentationNode
    tissue_overrides: str = ""
    model: str = DEFAULT_MODEL
    device: str = "auto"
    edit: str = "perturb"
    ratio: float = RATIO
    inpaint_ratio: float = INPAINT_RATIO
    tissues: str = "LV"
    region_kind: str = "tissues"
    roi: slicer.vtkMRMLMarkupsROINode
    region_segmentation: slicer.vtkMRMLSegmentationNode
    region_segment: str = ""
    count: int = 4
    steps: int = AUTOMATIC_STEPS
    seed: int = SEED
    method: str = "replace"
    resample: int = 1
    overwrite: bool = False
    repair: bool = True
    guide: bool = False
    hold: str = ""
    wants: str = ""
    amount: float = 100 * AMOUNT
    checks: str = ""
    wall: float = 2.0
    most_drawn: int = GATE_LIMIT
    jobs: int = 1
    folder: str = ""
    resume: bool = False
    run: str = ""
    sibling: int = 0
    cohort: str = ""
    reference: str = ""
    across: str = tissue_key("LV").title
    up: str = tissue_key("RV").title
    question: str = ""
    use: str = ""
    mesh_of: str = "twin"
    mesh_fill: str = "surfaces"
    mesh_edge: float = 0.0
    mesh_grade: int = 1
    mesh_walls: str = ""
    mesh_thickness: float = 3.0
    mesh_folder: str = ""
    mesh_formats: str = "stl"
    mesh_space: str = "LPS"
    mesh_replace: bool = False
