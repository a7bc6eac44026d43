"""A notebook that holds the payload as its one cell, and the check of what it came back with."""

from __future__ import annotations

import nbformat
import payload

__all__ = ["check", "write"]


def write(path):
    """Write the notebook."""
    cell = nbformat.v4.new_code_cell(payload.CODE)
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)


def check(notebook):
    """The line and the value are there."""
    line, value = notebook.cells[-1].outputs
    assert line.text == "hello 41\n"
    assert value.data["text/plain"].startswith("(42, ")
