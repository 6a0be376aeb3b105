"""What a file may cost: the bounds of every reader, in bytes, voxels and numbers, stated here and nowhere else.

A file that exceeds one is refused with a message that names the bound. Time has no clock of its own: every reader takes
time in proportion to the bytes that these bounds let through, at most about ten seconds for a file that is mostly air.
"""

from __future__ import annotations

# Label maps
MOST_VOXEL_BYTES = 1 << 32
"""The voxels of one file, unpacked: 4 GiB, which a map of 1,600 x 1,600 x 1,600 voxels of one byte just fills."""
MOST_RATIO = 1100
"""How many times larger than its file packed data may become; deflate can reach 1,032."""
MOST_AIR_BYTES = 1 << 29
"""What packed data may unpack to whatever the ratio: 512 MiB, as bzip2 packs an empty mask to next to nothing."""
MOST_HEADER_BYTES = 1 << 24
"""A header with all its fields and extensions: 16 MiB."""
MOST_SEGMENTS = 2000
"""Segments of a file, described or not, where they lie in layers: each takes one look at every voxel."""
MOST_LINES = 100_000
"""Lines of a text header."""
MOST_TAIL_BYTES = 1 << 20
"""What packed data may hold after the last voxel. It is unpacked only to reach the checksum."""
MOST_AXES = 16
"""Axes of an image, those of length 1 and those of layers included."""
MOST_NOTED = 1000
"""Distinct values up to which numbers that are not whole can still be a label map that lost precision."""

# JSON
MOST_RECORD_BYTES = 1 << 28
"""The record of a run: 256 MiB, 50,000 siblings."""
MOST_JSON_BYTES = 1 << 24
"""Any other JSON file, such as a control, a model card or a report: 16 MiB."""
MOST_DIGITS = 300
"""Digits of a whole number in a file; a longer one is larger than any number with a decimal point."""

# Models
MOST_WEIGHT_HEADER_BYTES = 10_000_000
"""The header of a weight file, which lists its tensors."""
MOST_WEIGHTS = 1 << 31
"""Numbers that the weights of a model hold together, and that its networks may have: 8 GiB in float32."""
MOST_CHANNELS = 8192
"""Channels of a layer, classes of a label map, blocks of a level."""
MOST_MODEL_BYTES = 1 << 34
"""The weight file of a model in a zip file, unpacked: 16 GiB."""

# Meshes
MOST_TETRAHEDRA = 4_000_000
"""Tetrahedra of one mesh: about 3 GiB of memory while it is made."""
MOST_MESH_CUBES = 1 << 27
"""Cubes of the box around all tissues, of which a mesh is made: about 2 GiB while their labels are found."""
LEAST_MESH_EDGE_MM = 0.1
"""The shortest edge of elements that can be asked for."""
