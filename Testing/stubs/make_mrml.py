"""Writes slicer/_mrml.pyi and vtk/__init__.pyi: the classes and methods of MRML and VTK that the Slicer side uses.

    python Testing/stubs/make_mrml.py     # where slicer-core is installed

Signatures are those of the wrappers' own documentation. Only names that stand somewhere in DiffusionSiblings/ are
written, so that a method that Slicer does not have is an error of mypy, and the stubs stay short.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import slicer
import vtk

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "DiffusionSiblings"
PLAIN = {"None", "bool", "int", "float", "str", "object"}
# Nodes that are made or found by the name of their class.
BY_NAME = (
    "vtkMRMLColorTableNode", "vtkMRMLMarkupsClosedCurveNode", "vtkMRMLMarkupsCurveNode", "vtkMRMLMarkupsFiducialNode",
    "vtkMRMLMarkupsLineNode", "vtkMRMLMarkupsPlaneNode", "vtkMRMLMarkupsROINode", "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode", "vtkMRMLScalarVolumeNode", "vtkMRMLScriptedModuleNode", "vtkMRMLSegmentEditorNode",
    "vtkMRMLSegmentationDisplayNode", "vtkMRMLSegmentationNode", "vtkMRMLSequenceBrowserNode", "vtkMRMLSequenceNode",
    "vtkMRMLSliceCompositeNode", "vtkMRMLTableNode", "vtkMRMLTextNode",
)  # fmt: skip
FURTHER = ("vtkMRMLSelectionNode", "vtkMRMLStorageNode", "vtkMRMLScalarVolumeDisplayNode", "vtkMRMLMarkupsDisplayNode",
           "vtkSlicerApplicationLogic")
CONSTANTS = ("VTK_ENCODING_UTF_8", "VTK_ID_TYPE", "VTK_TETRA", "VTK_TRIANGLE", "VTK_UNSIGNED_CHAR")
# What a node refers to is of a class of its own: VTK's own signature names only the base.
NARROWER = {
    ("vtkMRMLSegmentationNode", "GetDisplayNode"): "vtkMRMLSegmentationDisplayNode",
    ("vtkMRMLScalarVolumeNode", "GetDisplayNode"): "vtkMRMLScalarVolumeDisplayNode",
    ("vtkMRMLMarkupsNode", "GetDisplayNode"): "vtkMRMLMarkupsDisplayNode",
    ("vtkSegment", "GetRepresentation"): "Any",
    ("vtkMRMLScene", "GetFirstNodeByName"): "vtkMRMLNode | None",
    ("vtkMRMLScene", "GetNodeByID"): "Any",
    ("vtkMRMLNode", "GetNodeReference"): "Any",
    ("vtkMRMLNode", "GetNthNodeReference"): "Any",
    ("vtkMRMLNode", "GetAttribute"): "str | None",
    ("vtkMRMLNode", "GetNodeReferenceID"): "str | None",
    ("vtkMRMLTransformableNode", "GetTransformNodeID"): "str | None",
    ("vtkMRMLTransformableNode", "GetParentTransformNode"): "vtkMRMLTransformNode | None",
    ("vtkCollection", "GetItemAsObject"): "Any",
    ("vtkMRMLSequenceBrowserNode", "GetProxyNode"): "Any",
    ("vtkMRMLSubjectHierarchyNode", "GetSubjectHierarchyNode"): "vtkMRMLSubjectHierarchyNode",
    ("vtkMRMLScene", "AddNode"): "Any",
    ("vtkMRMLScene", "GetSingletonNode"): "Any",
    ("vtkMRMLSegmentationDisplayNode", "GetSegmentOverrideColor"): "tuple[float, float, float]",
}
SKIPPED = {"GetClassName", "IsA", "AddObserver", "RemoveObserver"}


def used_names() -> set[str]:
    """Every name that is taken from something in the sources, and every text that could be one."""
    found: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                found |= {node.value, f"Get{node.value}", f"Set{node.value}"}
    return found


def wanted_classes(used: set[str]) -> list[type]:
    """The classes by name, bases before those that build on them."""
    names = {*BY_NAME, *FURTHER, *(name for name in used if name.startswith("vtk"))}
    found = [getattr(slicer, name, getattr(vtk, name, None)) for name in sorted(names)]
    ordered: dict[type, None] = {}
    for cls in found:
        if isinstance(cls, type):
            ordered.update(dict.fromkeys(base for base in reversed(cls.__mro__) if base.__name__.startswith("vtk")))
    return [cls for cls in ordered if cls.__name__ != "vtkObjectBase"]


def stub_type(text: str, known: set[str]) -> str:
    """A type of VTK's documentation as one of Python's."""
    text = text.strip()
    if text == "(str, ...)":
        return "tuple[str, ...]"
    if text in PLAIN:
        return text
    if text.startswith(("(", "[")):
        parts = [part for part in re.split(r",\s*", text[1:-1]) if part]
        inner = [stub_type(part, known) for part in parts]
        if text.startswith("["):
            return "Any"
        return f"tuple[{', '.join(inner)}]" if all(part in PLAIN for part in parts) else "Any"
    return text if text in known else "Any"


def signatures(cls: type, name: str, known: set[str]) -> list[str]:
    """`def` lines of a method, one for each form that VTK documents."""
    doc = re.sub(r"\n {4,}", " ", getattr(cls, name).__doc__ or "")  # long ones are wrapped
    lines = []
    for found in re.finditer(rf"^{name}\((.*?)\)(?: -> (.+))?$", doc, re.MULTILINE):
        inside, result = found[1], found[2] or "None"
        parts = [part for part in re.split(r",\s*(?![^(\[]*[)\]])", inside) if part]
        static = not parts or parts[0] != "self"
        arguments = ["" if static else "self"]
        for part in parts if static else parts[1:]:
            label, _sign, kind = part.partition(":")
            kind, _equals, default = kind.partition("=")
            label = label.strip() if label.strip().isidentifier() else "value"
            kind = stub_type(kind, known)
            if kind.startswith("tuple"):
                kind = "Any"  # any sequence will do
            elif (kind == "str" and "ID" in name) or kind.startswith("vtk"):
                kind += " | None"
            arguments.append(f"{label}: {kind}{' = ...' if default else ''}")
        answer = NARROWER.get((cls.__name__, name)) or stub_type(result, known)
        head = "    @staticmethod\n" if static else ""
        lines.append(f"{head}    def {name}({', '.join(a for a in arguments if a)}) -> {answer}: ...")
    if any(not line.lstrip().startswith("@") for line in lines):  # one kind of call is enough where both are there
        lines = [line for line in lines if not line.lstrip().startswith("@")]
    return list(dict.fromkeys(lines)) or [f"    def {name}(self, *args: Any) -> Any: ..."]


def class_stub(cls: type, used: set[str], known: set[str]) -> str:
    """The class with what is used of it, as far as it says that itself."""
    bases = [base.__name__ for base in cls.__bases__ if base.__name__ in known]
    lines = [f"class {cls.__name__}({', '.join(bases) or 'vtkObjectBase'}):"]
    for name in sorted(vars(cls)):
        value: Any = vars(cls)[name]
        if name not in used or name in SKIPPED or name.startswith("_"):
            continue
        if callable(value) or type(value).__name__ in ("staticmethod", "builtin_function_or_method"):
            forms = signatures(cls, name, known)
            lines += forms if len(forms) == 1 else [f"    @overload\n{form}" for form in forms]
        else:
            lines.append(f"    {name}: int")
    for (owner, name), answer in NARROWER.items():
        if owner == cls.__name__ and name not in vars(cls):
            lines.append(f"    def {name}(self, *args: Any) -> {answer}: ...")
    if cls.__name__ == "vtkMRMLScene":
        for method in ("AddNewNodeByClass", "CreateNodeByClass"):
            lines = [line for line in lines if f"def {method}(" not in line]
            lines += [f"    @overload\n    def {method}(self, className: Literal[\"{name}\"], name: str = ...)"
                      f" -> {name}: ..." for name in BY_NAME]
            lines.append(f"    @overload\n    def {method}(self, className: str, name: str = ...) -> Any: ...")
    return "\n".join([*lines, *(["    ..."] if len(lines) == 1 else [])])


HEAD = '''"""Made by make_mrml.py: what the Slicer side uses of these classes."""
# mypy: disable-error-code="overload-cannot-match, override"

from collections.abc import Callable
from typing import Any, Literal, overload

{imports}'''
OBJECT_BASE = '''class vtkObjectBase:
    def __init__(self, *args: Any) -> None: ...
    def GetClassName(self) -> str: ...
    def IsA(self, name: str) -> bool: ...
    def UnRegister(self, owner: Any) -> None: ...
    def GetAddressAsString(self, name: str) -> str: ...
    def AddObserver(self, event: int | str, callback: Callable[[Any, str], None]) -> int: ...
    def RemoveObserver(self, tag: int) -> None: ...
'''


def main() -> None:
    """Writes both files."""
    used = used_names()
    classes = wanted_classes(used)
    known = {cls.__name__ for cls in classes}
    of_slicer = [cls for cls in classes if hasattr(slicer, cls.__name__) and not hasattr(vtk, cls.__name__)]
    of_vtk = [cls for cls in classes if cls not in of_slicer]
    body = [class_stub(cls, used, {each.__name__ for each in of_vtk}) for cls in of_vtk]
    text = "\n\n".join([HEAD.format(imports=""), OBJECT_BASE, *body])
    constants = "".join(f"{name}: int\n" for name in CONSTANTS)
    (HERE / "vtk" / "__init__.pyi").write_text(f"{text}\n\n{constants}def reference(value: Any) -> Any: ...\n",
                                               encoding="utf-8")
    body = [class_stub(cls, used, known) for cls in of_slicer]
    imported = sorted({"vtkObjectBase", *(each.__name__ for each in of_vtk)})
    head = HEAD.format(imports="from vtk import (\n    " + ",\n    ".join(imported) + ",\n)")
    (HERE / "slicer" / "_mrml.pyi").write_text("\n\n".join([head, *body]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
