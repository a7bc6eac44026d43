"""Which Python a kernel runs."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_core.utils import ensure_async

from qwex.errors import InvalidSpec, nearest

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpecManager

__all__ = ["python"]


async def python(kernels: KernelSpecManager, name: str) -> str:
    """The kernel's interpreter; this server's where none is named, or the kernel is of another language.

    Raises:
        InvalidSpec: there is no such kernel.
    """
    if not name:
        return sys.executable
    try:
        spec: Any = await ensure_async(kernels.get_kernel_spec(name))
    except NoSuchKernel:
        known = sorted(await ensure_async(kernels.find_kernel_specs()))
        raise InvalidSpec.of(
            "kernel", f"no kernel {name!r}.{nearest(name, known)} There is: {', '.join(known)}"
        ) from None
    program: str = spec.argv[0] if spec.argv else ""
    # Jupyter takes a bare name such as python3 for its own interpreter, too.
    is_python = re.fullmatch(r"python[\d.]*", os.path.basename(program))
    return program if is_python and os.path.isabs(program) else sys.executable
