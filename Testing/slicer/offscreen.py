"""Slice and 3D views of the scene into arrays, without a window: Slicer's own displayable managers draw them.

Works inside Slicer and in a headless harness alike, and leaves the user's views alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

LARGEST_BYTES = 300_000  # of a picture
IN_SLICES = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLSegmentationsDisplayableManager2D",
             "vtkMRMLMarkupsDisplayableManager", "vtkMRMLColorLegendDisplayableManager")
IN_3D = ("vtkMRMLCameraDisplayableManager", "vtkMRMLViewDisplayableManager", "vtkMRMLModelDisplayableManager",
         "vtkMRMLSegmentationsDisplayableManager3D", "vtkMRMLMarkupsDisplayableManager",
         "vtkMRMLColorLegendDisplayableManager")


class _View:
    """A render window of which only the picture is wanted."""

    def __init__(self, size: tuple[int, int], factory: Any, managers: tuple[str, ...]) -> None:
        self.renderer, self.window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(8)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.SetRenderer(self.renderer)
        self.group.Initialize(factory, self.renderer)

    def picture(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        width, height, _ = image.GetDimensions()
        pixels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
        return np.flipud(pixels[..., :3]).copy()


def slice_picture(orientation: str, at: tuple[float, float, float], *, mm: float = 150.0,
                  size: tuple[int, int] = (420, 420), volume: Any = None, over: Any = None,
                  opacity: float = 1.0) -> np.ndarray:
    """A slice through `at` (RAS mm), `mm` high, over the volume if there is one. (height, width, 3) uint8.

    over: a volume that is laid over it, with this opacity.
    """
    view = _View(size, slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), IN_SLICES)
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    logic.SetMRMLScene(slicer.mrmlScene)
    node = logic.AddSliceNode(slicer.mrmlScene.GenerateUniqueName(f"Picture{orientation}"))
    slicer.app.applicationLogic().GetSliceLogics().AddItem(logic)
    try:
        node.SetOrientation(orientation)
        if volume is not None:
            logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        if over is not None:
            logic.GetSliceCompositeNode().SetForegroundVolumeID(over.GetID())
            logic.GetSliceCompositeNode().SetForegroundOpacity(opacity)
        view.renderer.GetActiveCamera().ParallelProjectionOn()
        mapper, actor = vtk.vtkImageMapper(), vtk.vtkActor2D()  # before the segments, which are blended over it
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        view.renderer.AddViewProp(actor)
        view.group.SetMRMLDisplayableNode(node)
        node.SetDimensions(*size, 1)
        logic.ResizeSliceNode(*size)
        node.SetFieldOfView(mm * size[0] / size[1], mm, 1.0)
        node.JumpSliceByCentering(*at)
        actor.SetVisibility((volume is not None or over is not None) and logic.GetImageDataConnection() is not None)
        mapper.SetInputConnection(logic.GetImageDataConnection())
        return view.picture()
    finally:
        slicer.app.applicationLogic().GetSliceLogics().RemoveItem(logic)
        view.group.SetMRMLDisplayableNode(None)
        slicer.mrmlScene.RemoveNode(logic.GetSliceCompositeNode())
        slicer.mrmlScene.RemoveNode(node)


def surface_picture(direction: tuple[float, float, float] = (0.5, 1.0, 0.25), *, zoom: float = 1.4,
                    size: tuple[int, int] = (420, 420)) -> np.ndarray:
    """The 3D view from `direction` (RAS; +A is from the front). (height, width, 3) uint8."""
    view = _View(size, slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), IN_3D)
    logic = slicer.vtkMRMLViewLogic()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    logic.SetMRMLScene(slicer.mrmlScene)
    slicer.app.applicationLogic().GetViewLogics().AddItem(logic)
    node = logic.AddViewNode(slicer.mrmlScene.GenerateUniqueName("Picture3D"))
    try:
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        view.group.SetMRMLDisplayableNode(node)
        view.window.Render()
        view.renderer.ResetCamera()
        camera = view.renderer.GetActiveCamera()
        middle, distance = np.array(camera.GetFocalPoint()), camera.GetDistance()
        camera.SetPosition(*(middle + distance * np.array(direction) / np.linalg.norm(direction)))
        camera.SetViewUp(0.0, 0.0, 1.0)
        view.renderer.ResetCamera()
        camera.Zoom(zoom)
        view.renderer.ResetCameraClippingRange()
        return view.picture()
    finally:
        slicer.app.applicationLogic().GetViewLogics().RemoveItem(logic)
        view.group.SetMRMLDisplayableNode(None)
        slicer.mrmlScene.RemoveNode(node)


def save(pixels: np.ndarray, path: Path) -> None:
    """Writes (height, width, 3) uint8 as PNG."""
    from PIL import Image

    Image.fromarray(pixels).save(path)
    shrink(path)


def shrink(path: Path) -> None:
    """As few bytes as can be; in 256 colours where all of them are too many."""
    from PIL import Image

    with Image.open(path) as image:
        picture = image.convert("RGB")
    picture.save(path, optimize=True)
    if path.stat().st_size >= LARGEST_BYTES:
        colors = picture.quantize(256, Image.Quantize.FASTOCTREE)
        picture.quantize(palette=colors, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    assert path.stat().st_size < LARGEST_BYTES, f"{path.name} is too large"
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size // 1000} kB", flush=True)
