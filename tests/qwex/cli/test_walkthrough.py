"""The demo's engine: any notebook, run in a kernel of this Python, shown and kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from qwex.cli import demo
from qwex.cli.walkthrough import Walkthrough
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FIGURE = """
from IPython.display import Image, display
import base64
display(Image(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")))
"""


def walk(folder: Path, *cells: Any) -> tuple[bool, Walkthrough]:
    nbformat.write(new_notebook(cells=list(cells)), folder / "a.ipynb")
    walkthrough = Walkthrough(folder / "a.ipynb", folder / "out")
    return walkthrough.run(), walkthrough


def test_shows_and_keeps_what_happens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        new_markdown_cell("# First\nwords"),
        new_code_cell("import sys\nprint(sys.executable)\n6 * 7"),
        new_code_cell(FIGURE),
    ]
    well, walkthrough = walk(tmp_path, *cells)
    said = capsys.readouterr().out
    assert well
    for text in ("\nFirst\n", "  │ import sys\n", f"  {sys.executable}\n", "  42\n", "figure-1.png"):
        assert text in said
    assert walkthrough.figures[0].read_bytes().startswith(b"\x89PNG")
    assert nbformat.read(walkthrough.result, 4).cells[1].outputs[0].text == f"{sys.executable}\n"


def test_stops_at_a_cell_that_was_not_meant_to_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meant = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    well, walkthrough = walk(tmp_path, meant, new_code_cell("raise KeyError('x')"), new_code_cell("print('never')"))
    said = capsys.readouterr()
    assert not well
    assert "ZeroDivisionError" in said.out
    assert "a cell failed that was not meant to: KeyError" in said.err
    assert "never" not in said.out.replace("print('never')", "")
    assert nbformat.read(walkthrough.result, 4).cells[1].outputs[0].ename == "KeyError"


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_NEEDS", {"sys": "sys", "no_such_module": "scikit-learn"})
    with pytest.raises(ConfigError, match=r"needs scikit-learn: pip install 'qwex\[demo\]'"):
        demo._check()


def test_finds_the_notebook() -> None:
    assert demo._notebook().name == "01_first_job.ipynb"
