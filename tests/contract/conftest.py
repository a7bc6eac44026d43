"""The example backend is tested from its source, as its author would; broken.py stands beside the tests."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "qwex_example_backend")]
