"""Translation for files that must also load where there is no Slicer: its own where there is one, else the text itself.

All other files import `tr` from `slicer.i18n`.
"""

from __future__ import annotations

import sys
from typing import Any


def tr(text: str) -> str:
    """The text in the application's language; translators find it under the name of the file that calls this."""
    slicers: Any = sys.modules.get("slicer.i18n")
    if not hasattr(slicers, "getContext"):
        return text
    return str(slicers.translate(slicers.getContext(sys._getframe(1).f_code.co_filename), text))
