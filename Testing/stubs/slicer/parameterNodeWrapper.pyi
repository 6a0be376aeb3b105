from typing import TypeVar

T = TypeVar("T")

def parameterNodeWrapper(cls: type[T]) -> type[T]: ...
