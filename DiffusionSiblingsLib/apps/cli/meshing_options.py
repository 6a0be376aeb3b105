"""The options of mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from .command import EDIT, OUTPUT, listed
from .shared_options import LISTED, AnatomyName, JobCount, Json, Labels, flag, option

FORMAT_HELP = {
    "gmsh": "Gmsh .msh 4.1 with named groups; FEniCSx reads it too",
    "gmsh22": "Gmsh .msh 2.2, for older programs",
    "abaqus": "Abaqus .inp: C3D4, an ELSET for each tissue, NSET and SURFACE for each patch",
    "febio": "FEBio .feb 4.0 (needs tetrahedra)",
    "opencarp": "openCARP .pts in micrometres, .elem, .surf and .vtx (needs tetrahedra)",
    "simvascular": "SimVascular mesh-complete, one folder for each tissue (needs tetrahedra)",
    "pyansys": "pyansys-heart: surfaces with surface-id, and part definitions",
    "fenicsx": "XDMF without HDF5",
    "vtk": "VTK .vtp, and .vtu where there are tetrahedra",
    "stl": "STL: one closed surface for each tissue, and one for each patch",
}


@dataclass(frozen=True, kw_only=True)
class Mesh(Labels, Json):
    """Meshes the tissues of a label map, or of every map of a run or folder: surfaces that share their points, parted
    into named patches (valves, endocardium, septum, ends of vessels), and tetrahedra where a format needs them. Each
    map gets a folder DIR/NAME with a folder for each format and mesh.json, which compares the mesh with the map.
    """

    source: Annotated[Path, typer.Argument(
        metavar="MAP_OR_DIR", show_default=False, help="A label map, a folder with one mask per tissue, the folder "
        "of a run, or a folder of label maps.")]
    out: Annotated[Path, option(OUTPUT, "--out", "DIR", "Folder of the results.")] = Path("meshes")
    formats: Annotated[str, option(
        OUTPUT, "--for", "FORMAT,...", "Programs to write for, listed below.")] = "vtk,stl"
    surface: Annotated[bool, flag(EDIT, "--surface", "Make surfaces alone, also for formats that can hold both.")] = (
        False)
    tets: Annotated[bool, flag(
        EDIT, "--tets", "Fill the tissues with tetrahedra, also where no format needs them.")] = False
    edge: Annotated[float | None, option(
        EDIT, "--edge", "MM", "Length of edges.", show_default="surfaces: that of the voxels; tetrahedra: 2")] = None
    grade: Annotated[int, option(
        EDIT, "--grade", "1|2|4", "Sizes of tetrahedra: 1 gives one size; with 2 or 4, edges are up to so many times "
        "longer inside tissues, and half as long at thin walls.")] = 1
    walls: Annotated[str, option(
        EDIT, "--walls", "RV=3,LA=2,...", "Grow walls of this thickness in mm around tissues whose walls the map "
        "lacks. They are grown, not imaged.", show_default=False)] = ""
    valves: Annotated[float | None, option(
        EDIT, "--valves", "MM", "Grow slabs of this thickness in the place of valves. They are grown, not imaged.",
        show_default=False)] = None
    like: Annotated[Path | None, option(
        EDIT, "--like", "TWIN", "Give the meshes the nodes and elements of a mesh of this map where that is sound, so "
        "that fields can be subtracted point by point. It is meshed first.")] = None
    numbering: Annotated[str, option(
        OUTPUT, "--numbering", "NAME", "Number the tissues as another program does: pycemrg, rodero or strocchi.",
        show_default="this project's own")] = ""
    space: Annotated[Literal["LPS", "RAS"], option(
        OUTPUT, "--space", LISTED, "Axes of the files. 3D Slicer takes mesh files for LPS.")] = "LPS"
    anatomy: AnatomyName = "heart"
    jobs: JobCount = 1
    resume: Annotated[bool, flag(OUTPUT, "--resume", "Keep meshes that DIR holds of the same maps and settings.")] = (
        False)
    replace: Annotated[bool, flag(
        OUTPUT, "--replace", "Replace meshes of these maps that DIR holds. Other files stay.")] = False

    examples = ("siblings mesh heart.nii.gz --out out/mesh --for vtk,stl",
                "siblings mesh out/perturbed --out out/meshes --for gmsh,abaqus --edge 2 --jobs 2 --resume",
                'siblings mesh heart.nii.gz --walls "RV=3,LA=3,Ao=3" --valves 4 --numbering pycemrg --for opencarp')

    @classmethod
    def notes(cls) -> tuple[str, ...]:
        """The formats."""
        return listed("Formats for --for:", FORMAT_HELP)
