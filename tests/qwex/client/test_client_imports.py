"""What the blocking client loads: nothing that a quick command would wait for."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"asyncio", "pydantic", "httpx", "http.client", "ssl", "subprocess", "cloudpickle", "IPython", "starlette"}


def loaded(statement: str) -> set[str]:
    script = f"{statement}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_blocking_client_is_light():
    assert not HEAVY & loaded("from qwex.client import Client, Job, Jobs")


def test_the_package_loads_nothing():
    assert not {name for name in loaded("import qwex") if name.startswith("qwex.")}
    assert {name for name in loaded("import qwex.client") if name.startswith("qwex.")} == {"qwex.client"}
