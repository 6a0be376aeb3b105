"""The one error family: what failed, the value, the rule, and what the user can do about it."""

from __future__ import annotations


class SiblingsError(Exception):
    """An error that a user can act on; the command line shows it as one message and ends with `exit_code`.

    what: what failed, in words ("The label map has no left atrium").
    value: what was found ("labels 1, 2, 3"), or "" where there is nothing to show.
    rule: what would have been right ("heart needs Ao, Myo, LV, RV, LA, RA").
    hint: what the user can do ("name it with --labels \\"LA=7\\"").
    """

    exit_code = 2

    def __init__(self, what: str, *, value: object = "", rule: str = "", hint: str = "") -> None:
        self.what = what
        self.value = str(value)
        self.rule = rule
        self.hint = hint
        super().__init__(self.message())

    def message(self) -> str:
        """The whole message as one line of text."""
        parts = [self.what.rstrip(".")]
        if self.value:
            parts[0] += f": {self.value}"
        if self.rule:
            parts.append(f"Rule: {self.rule.rstrip('.')}")
        if self.hint:
            parts.append(f"What to do: {self.hint.rstrip('.')}")
        return " ".join((". ".join(parts) + ".").splitlines())


class InputError(SiblingsError):
    """A file, label map or option of the user's that cannot be used as it is."""


class OutputError(SiblingsError):
    """A result that could not be written; nothing half-written is left behind."""


class ModelError(SiblingsError):
    """A model that is missing, damaged or does not fit the request."""


class DeviceError(SiblingsError):
    """A device that is not there or has too little memory for the request."""


def reason_of(error: BaseException) -> str:
    """Why something failed, for the value of an error: in the words of the system ("No such file or directory") or of
    whoever refused it, without an errno, a path or a Python class.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]!r} is missing"
    return str(error) or type(error).__name__


def means_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch and the system have words of their own for it."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, (RuntimeError, OSError, ImportError)) and any(
        words in said for words in ("not enough memory", "allocate memory", "out of memory", "failed to map segment"))


def too_little_memory(value: str) -> DeviceError:
    """The error of what does not fit into memory."""
    return DeviceError("There is too little memory for this run", value=value,
                       rule="label map, model and checks fit into free memory",
                       hint="close other programs, crop the segmentation to the heart or give it larger voxels, lower "
                            "the number of siblings made at once, or choose another device")
