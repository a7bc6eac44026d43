"""``python -m qwex_kernel``: what kernelspecs start. Some front ends take only such a command for one of Python's."""

from __future__ import annotations

import os
import sys

# Modules beside the notebook are not ours.
if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

if __name__ == "__main__":
    from qwex_kernel.launcher import run

    run()
