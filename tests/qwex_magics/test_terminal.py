"""The magics in plain IPython in a terminal: text, line by line."""

from __future__ import annotations

import subprocess
import sys


def test_a_cell_in_a_terminal(home, tmp_path):
    code = (
        "get_ipython().run_cell_magic('qwex', '-o x', 'print(\"in the job\")\\nx = 6 * 7\\nx')\n"
        "print('x is', x)\n"
        "%qwex list\n"
    )
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "--ext=qwex_magics", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert "in the job" in lines
    assert "x is 42" in lines
    assert any(line.endswith("x → here") for line in lines)
    assert any("SUCCEEDED" in line for line in lines)
    assert "<div" not in done.stdout
    assert done.stderr == ""
