"""Hearts to try things out with, in Slicer's Sample Data module: one that ships, and a public one to download."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsUI.rich_text import literal

CATEGORY = _("Diffusion Siblings")
TWIN = "DiffusionSiblingsTwin"
TORONTO = "DiffusionSiblingsTorontoHeart"
TWIN_FILE = "synthetic_twin.seg.nrrd"
# Toronto Heart Atlas, CC BY 4.0, Mashari and others. The commit in the address fixes every byte; the sums were computed
# from the files of that commit.
ATLAS = ("https://raw.githubusercontent.com/tgh-apil/TorontoHeartAtlas/f3e1db056632f5334911d08991e059661a633186"
         "/RegularHeart/HighRes/")
SURFACES = {  # tissue: file, SHA-256
    "Ao": ("NORMAL_AO.obj", "bb00b1e5e0c60096fae2fe3251429190053e3a59c46284a29ace3d15244a0131"),
    "LV": ("NORMAL_LV.obj", "9dac67960caf010629f87f75619c8273da48ef4ff8a33a80129ee2f72ef09fcc"),
    "RV": ("NORMAL_RV.obj", "bee445566637c8927e07a575731c6d30cb17cb127333c0fb42b14a7d65e0b442"),
    "LA": ("NORMAL_LA.obj", "3254dbca0487099a99f93c2e9ca23c71f77ffe5810e712d0acf3f48ac4553dce"),
    "RA": ("NORMAL_RA.obj", "78506e060d34842cb6330d5a79e7fef22741c65a6f454071615a4b2f70f808ee"),
}


def register() -> None:
    """Puts the samples into the Sample Data module, each once; call it when Slicer has started.

    Only Sample Data's buttons call a customDownloader. SampleDataLogic.downloadSample loads the file as it is, and has
    no hook for more: `presented` then gives the node its image and clear colours.
    """
    import slicer
    from SampleData import SampleDataLogic

    known = getattr(slicer.modules, "sampleDataSources", {}).get(CATEGORY, [])
    known[:] = [source for source in known if source.sampleName not in (TWIN, TORONTO)]  # of a module that is reloaded
    digest = hashlib.sha256(twin_path().read_bytes()).hexdigest()  # or Slicer would take an old one from its cache
    SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY, sampleName=TWIN, uris=twin_path().as_uri(), fileNames=f"DiffusionSiblings_{TWIN_FILE}",
        nodeNames=_("Synthetic heart"), loadFileTypes="SegmentationFile", checksums=f"SHA256:{digest}",
        thumbnailFileName=_icon(f"{TWIN}.png"), customDownloader=lambda _source: presented(load_twin()))
    SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY, sampleName=TORONTO, uris=[ATLAS + file for file, _sum in SURFACES.values()],
        fileNames=[f"TorontoHeartAtlas_{file}" for file, _sum in SURFACES.values()], nodeNames=[None] * len(SURFACES),
        loadFiles=[False] * len(SURFACES), checksums=[f"SHA256:{digest}" for _file, digest in SURFACES.values()],
        thumbnailFileName=_icon(f"{TORONTO}.png"), customDownloader=_load_toronto_heart_or_say)


def twin_path() -> Path:
    """The synthetic heart that comes with the extension: the model drew it, and it belongs to no patient."""
    return resource_folder() / "SampleData" / TWIN_FILE


def load_twin() -> Any:
    """The synthetic heart as a segmentation node; works without a network."""
    import slicer

    path = twin_path()
    if not path.is_file():
        raise InputError(_("The sample heart is missing"), value=path, hint=_("install the extension again"))
    node = slicer.util.loadSegmentation(str(path), {"name": _("Synthetic heart")})
    storage = node.GetStorageNode()
    if storage is not None:  # or Save would write over the file that ships
        node.SetAndObserveStorageNodeID(None)
        slicer.mrmlScene.RemoveNode(storage)
    return node


def presented(node: Any) -> Any:
    """The segmentation in colours that are easily told apart (terminology's are all reddish), over a grey image.

    The image is painted from the segments: these hearts come without their scan, and Slicer's Segment Editor edits
    nothing without a source volume, which it then takes from here by itself.
    """
    from DiffusionSiblingsUI.scene.painted_image import paint_image
    from DiffusionSiblingsUI.scene.terminology import match_tissues

    anatomy = load_anatomy()
    tissue_of = match_tissues(node, anatomy)
    for identifier, tissue in tissue_of.items():
        if tissue:
            node.GetSegmentation().GetSegment(identifier).SetColor(*anatomy.tissue(tissue).picture_color)
    paint_image(node, tissue_of)
    return node


def load_toronto_heart() -> Any:
    """A real heart, downloaded once, as a segmentation node. Raises InputError if it cannot be had."""
    import SampleData

    from DiffusionSiblingsUI.scene.bridge import new_segmentation
    from DiffusionSiblingsUI.scene.sample_surfaces import heart_of_surfaces

    logic = SampleData.SampleDataLogic()
    paths = {}
    for tissue, (file, digest) in SURFACES.items():
        try:
            path = Path(logic.downloadFileIntoCache(ATLAS + file, f"TorontoHeartAtlas_{file}", f"SHA256:{digest}"))
        except (ValueError, OSError) as error:
            raise _not_there(file, error) from error
        if not path.is_file():  # Slicer has removed a file whose sum is wrong
            raise _not_there(file, _("the downloaded file is damaged"))
        paths[tissue] = path
    return new_segmentation(heart_of_surfaces(paths), _("Toronto heart"))


def _load_toronto_heart_or_say(_source: Any) -> None:
    """For the button in Sample Data, which has nobody to catch an error."""
    import slicer

    try:
        with slicer.util.WaitCursor():
            presented(load_toronto_heart())
    except InputError as error:
        slicer.util.errorDisplay(literal(error.message()), windowTitle=_("Diffusion Siblings - Sample Data"))


def _not_there(file: str, reason: object) -> InputError:
    return InputError(_("The heart could not be downloaded"), value=f"{file}: {reason}",
                      hint=_("check the network and the proxy, or use the synthetic heart, which needs neither"))


def _icon(name: str) -> str:
    """A picture of the module's Resources, in the source tree or as installed: beside this package in both."""
    return str(Path(__file__).resolve().parents[2] / "Resources" / "Icons" / name)
