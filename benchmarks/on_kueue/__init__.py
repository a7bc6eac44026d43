"""Measurements of the backend ``kueue`` on a cluster, each beside the same thing asked of the API server directly."""

from __future__ import annotations

import sys
from pathlib import Path

# The test cluster, and the parts that the drivers of run.py use too.
_HERE = Path(__file__).parent
sys.path += [str(_HERE.parents[1] / "tests" / "cluster"), str(_HERE.parent / "drivers")]
