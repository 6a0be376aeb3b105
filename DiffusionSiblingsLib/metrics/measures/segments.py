"""The 17 segments of the left ventricle (Cerqueira et al., Circulation 2002; 105:539) by points of its wall.

The long axis runs from the middle of the mitral annulus to the apex of the cavity and is cut in thirds; the cap beyond
the cavity's tip is segment 17. Around the axis the septum's middle is the direction of the right ventricle's centre:
the label map does not show where the right ventricle inserts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .fields import FloatArray

NAMES = (
    "basal anterior", "basal anteroseptal", "basal inferoseptal", "basal inferior", "basal inferolateral",
    "basal anterolateral", "mid anterior", "mid anteroseptal", "mid inferoseptal", "mid inferior", "mid inferolateral",
    "mid anterolateral", "apical anterior", "apical septal", "apical inferior", "apical lateral", "apex",
)
SEPTAL = (2, 3, 8, 9, 14)
CAP = 0.97  # share of the long axis beyond which a point belongs to the apex


def segments_of(points: FloatArray, base: FloatArray, apex: FloatArray, septum: FloatArray) -> npt.NDArray[np.int64]:
    """(n,) segment numbers 1 to 17 of points of the wall, 0 for points above the base.

    points: (n, 3) RAS mm. base, apex: (3,) ends of the long axis. septum: (3,) a point in the direction of the septum's
    middle, such as the right ventricle's centre.
    """
    axis = (apex - base) / np.linalg.norm(apex - base)
    toward = septum - base
    toward = toward - axis * (axis @ toward)
    toward /= np.linalg.norm(toward)
    anterior = np.cross(toward, axis)  # seen from the apex, the order septal, anterior, lateral runs clockwise
    share = (points - base) @ axis / np.linalg.norm(apex - base)
    # 0 in the middle of the septum, growing through anterior, lateral and inferior
    angle = np.degrees(np.arctan2((points - base) @ anterior, (points - base) @ toward)) % 360
    sixth = np.array([2, 1, 6, 5, 4, 3])[(angle // 60).astype(int) % 6]
    fourth = np.array([14, 13, 16, 15])[((angle + 45) // 90).astype(int) % 4]
    number = np.where(share < 1 / 3, sixth, np.where(share < 2 / 3, 6 + sixth, fourth))
    number = np.where(share > CAP, 17, number)
    return np.asarray(np.where(share < 0, 0, number))
