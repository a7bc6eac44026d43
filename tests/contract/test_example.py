"""The example backend passes its own tests, here from its source; tests/examples runs them from an installation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PATH = Path(__file__).parents[2] / "examples" / "qwex_example_backend" / "tests" / "test_contract.py"

_spec = importlib.util.spec_from_file_location("qwex_example_backend_tests", PATH)
assert _spec
assert _spec.loader
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

TestExample = _module.TestExample
