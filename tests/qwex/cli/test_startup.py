"""The usual commands start without the heavy libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"typer", "click", "rich", "pydantic", "yaml", "asyncio", "httpx", "sqlalchemy", "IPython", "nbformat"}
#: An address where nothing listens: the command has read its arguments and loaded the client by then.
CODE = """
import sys
from qwex.cli import main
code = main(sys.argv[1:])
print(code, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def modules_after(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, set[str]]:
    monkeypatch.setenv("QWEX_URL", "http://127.0.0.1:1")
    done = subprocess.run([sys.executable, "-c", CODE, *argv], capture_output=True, text=True, timeout=60)
    code, *modules = done.stdout.splitlines()[-1].split()
    return code, set(modules)


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list --user me --status queued,running --limit 10",
        "list --json",
        "status train-7k3f9q",
        "status train-7k3f9q --json",
        "why train-7k3f9q",
        "cancel train-7k3f9q",
        "queues",
        "logs train-7k3f9q",
        "machine list",
        "machine status train",
        "machine port-forward train 6006",
    ],
)
def test_plain_commands_are_light(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, modules = modules_after(line.split(), monkeypatch)
    assert code == "4"
    assert "h11" in modules
    assert not modules & HEAVY


def test_version_is_lighter_still(monkeypatch: pytest.MonkeyPatch) -> None:
    code, modules = modules_after(["--version"], monkeypatch)
    assert code == "0"
    assert not modules & (HEAVY | {"h11", "dataclasses"})
