"""Slicer's Python package, as far as the Slicer side uses it. Of the application only what is called is here."""

from typing import Any

from slicer import util as util
from slicer._mrml import *

mrmlScene: vtkMRMLScene
modules: Any  # found at run time: one attribute for each module
app: Any  # PythonQt: its properties and slots are made at run time
selfTests: dict[str, Any]
