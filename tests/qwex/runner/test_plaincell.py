"""Cells where the interpreter has no IPython."""

from __future__ import annotations

import pytest

from .conftest import inline, interpreters

BARE = {"PYTHONPATH": ""}


def test_text_and_result(bare):
    bare.run("cell", "print('hi')\n40 + x", inputs={"x": inline(2)}, execution_count=3)
    assert bare.text() == "hi\n"
    assert bare.of("result")[0]["data"] == {"text/plain": "42"}
    assert bare.of("result")[0]["execution_count"] == 3


def test_traceback_is_pythons_own(bare):
    bare.run("cell", "def f():\n    1 / 0\nf()", line_offset=1, execution_count=2)
    assert bare.rc == 1
    lines = bare.error["traceback"]
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "Cell In[2]", line 4, in <module>'
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert [f["lineno"] for f in bare.error["frames"]] == [4, 3]


def test_magics_are_explained(bare):
    bare.run("cell", "!ls")
    assert bare.error["ename"] == "SyntaxError"
    assert bare.of("notice")[0]["code"] == "no-ipython"


def test_await_display_and_exit(bare):
    bare.run("cell", "import asyncio, sys\ndisplay(1)\nawait asyncio.sleep(0)\nsys.exit(3)")
    assert bare.rc == 3
    assert bare.of("display")[0]["data"]["text/plain"] == "1"


@pytest.mark.parametrize("python", interpreters())
def test_other_interpreters(folders, python):
    cell = folders(python).run("cell", "import sys\nprint(sys.version_info[:2])\nsys.version_info[0]")
    assert cell.rc == 0
    assert cell.of("result")[0]["data"]["text/plain"] == "3"
    script = folders(python).run("script", "def f():\n    raise KeyError('k')\nf()")
    assert script.rc == 1
    assert [f["lineno"] for f in script.error["frames"]] == [3, 2]
    function = folders(python).run(
        "function", inputs={"__function__": inline(divmod), "__call__": inline(((7, 2), {}))}
    )
    assert function.value("return") == (3, 1)
