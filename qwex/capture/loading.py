"""Values on their way back out of a job: unpickled, unless another Python's code is in them."""

from __future__ import annotations

import io
import pickle
from typing import Any

from qwex.errors import CaptureError
from qwex.runner.values import PYTHON

__all__ = ["load"]

#: What cloudpickle rebuilds a function with; its argument is bytecode.
_MAKES_CODE = "_make_function"


def load(data: bytes, python: str = "") -> Any:
    """The value; ``python`` wrote it, such as ``3.12``. Loading runs code: do it for jobs you trust.

    Raises:
        CaptureError: there is code in it that only that Python can run; another one would crash.
    """
    if python in ("", PYTHON):
        return pickle.loads(data)  # noqa: S301
    return _Unpickler(data, python).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, python: str) -> None:
        super().__init__(io.BytesIO(data))
        self._python = python

    def find_class(self, module: str, name: str) -> Any:
        if name == _MAKES_CODE and module.startswith("cloudpickle"):
            raise CaptureError(
                f"there is code in it from Python {self._python}, and this is Python {PYTHON}. Have the same Python "
                "here and there, or give back plain data"
            )
        return super().find_class(module, name)
