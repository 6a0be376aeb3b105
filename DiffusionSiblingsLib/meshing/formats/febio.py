"""FEBio .feb, version 4.0: a part for each tissue, surfaces and node sets for each patch.

A file without materials cannot be opened, so that each part has one, which is marked as a placeholder.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from ..meshed import Meshed
from .text import DIGITS, write_text

PLACEHOLDER = "a placeholder so that FEBio opens the file, and no property of the tissue"


def write_febio(meshed: Meshed, folder: Path) -> None:
    """NAME.feb."""
    volume = meshed.volume
    assert volume is not None  # `listing` asks for tetrahedra
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n<febio_spec version="4.0">\n', f"<!-- mm, SPACE={meshed.space}"
             " -->\n", '<Module type="solid"/>\n', _materials(meshed), "<Mesh>\n", _nodes(meshed)]
    first = 1
    for label, part in meshed.parts.items():
        cells = volume.tetrahedra[volume.tissue == label] + 1
        parts += [f"<Elements type=\"tet4\" name={quoteattr(part.id)}>\n",
                  _items("elem", cells, first=first), "</Elements>\n"]
        first += len(cells)
    for side in meshed.sides:
        parts += [f"<Surface name={quoteattr(side.name)}>\n", _items("tri3", meshed.outward(side) + 1), "</Surface>\n"]
    for patch in meshed.patches:
        nodes = np.unique(meshed.surface.triangles[patch.triangles]) + 1
        parts.append(f"<NodeSet name={quoteattr(patch.id)}>{','.join(map(str, nodes.tolist()))}</NodeSet>\n")
    domains = "".join(f"<SolidDomain name={quoteattr(part.id)} mat={quoteattr(part.id)}/>\n"
                      for part in meshed.parts.values())
    write_text(folder / f"{meshed.name}.feb", *parts, f"</Mesh>\n<MeshDomains>\n{domains}</MeshDomains>\n",
               "</febio_spec>\n")


def _materials(meshed: Meshed) -> str:
    listed = "".join(
        f'<material id="{number}" name={quoteattr(part.id)} type="neo-Hookean"><!-- {PLACEHOLDER} -->'
        "<density>1</density><E>1</E><v>0.3</v></material>\n"
        for number, part in enumerate(meshed.parts.values(), 1))
    return f"<Material>\n{listed}</Material>\n"


def _nodes(meshed: Meshed) -> str:
    return f"<Nodes name=\"all\">\n{_items('node', meshed.points, number=DIGITS)}</Nodes>\n"


def _items(tag: str, rows: np.ndarray, number: str = "%d", first: int = 1) -> str:
    """<tag id="1">a,b,c</tag> for each row."""
    if not len(rows):
        return ""
    table = np.empty((len(rows), rows.shape[1] + 1), dtype=object)
    table[:, 0], table[:, 1:] = range(first, first + len(rows)), rows.astype(object)
    line = f'<{tag} id="%d">{",".join([number] * rows.shape[1])}</{tag}>\n'
    return (line * len(rows)) % tuple(table.ravel().tolist())
