"""A notebook run from top to bottom in a kernel of its own, shown cell by cell as plain text."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from rich.console import Console
from rich.markdown import Markdown

from qwex.cli.screen import coloured, fit, note, say, uncoloured, width

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Walkthrough"]

_KERNEL = "python3"
#: Lines of a cell and of one output that are shown; the notebook has them all.
_CODE_LINES, _OUTPUT_LINES = 14, 20
_SECONDS = 300
#: Prose is not read well in longer lines.
_COLUMNS = 88


class _ThisPython(KernelSpecManager):
    """The kernel of this interpreter, whatever other kernels are installed under the name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        # Its warnings are about notebooks served to others, and would stand between the cells.
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--IPKernelApp.log_level=40"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class Walkthrough:
    """Runs the notebook ``source`` and leaves it with its output in ``folder``."""

    def __init__(self, source: Path, folder: Path, *, quiet: bool = False) -> None:
        self.result = folder / source.name
        self.figures: list[Path] = []
        self._notebook: Any = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
        self._quiet = quiet

    def run(self) -> bool:
        """Run every cell; False when one failed that was not meant to."""
        self.result.parent.mkdir(parents=True, exist_ok=True)
        for old in self.result.parent.glob("figure-*.png"):
            old.unlink()
        kernel = AsyncKernelManager(kernel_name=_KERNEL, kernel_spec_manager=_ThisPython())
        client = NotebookClient(
            self._notebook, km=kernel, timeout=_SECONDS, kernel_name=_KERNEL,
            resources={"metadata": {"path": str(self.result.parent)}},
            on_cell_start=self._start, on_cell_executed=self._executed,
        )  # fmt: skip
        client.owns_km = True  # so it ends the kernel, too
        try:
            client.execute()
        except CellExecutionError as error:
            note(f"error: a cell failed that was not meant to: {error.ename}: {error.evalue}", "red")
            return False
        except (CellTimeoutError, DeadKernelError) as error:
            note(f"error: the notebook could not be run to its end: {error}", "red")
            return False
        finally:
            nbformat.write(self._notebook, self.result)  # type: ignore[no-untyped-call]
        return True

    def _start(self, cell: Any, cell_index: int) -> None:
        if self._quiet:
            return
        say()
        if cell.cell_type == "code":
            for line in _short(cell.source.splitlines(), _CODE_LINES):
                say(_cut(f"  │ {line}".rstrip()), "cyan")
        else:
            _print_markdown(cell.source)

    def _executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                self._keep_figure(data["image/png"])
            elif not self._quiet:
                for line in _short(_text(output).splitlines(), _OUTPUT_LINES):
                    say(_cut(f"  {line}".rstrip()))

    def _keep_figure(self, encoded: str) -> None:
        path = self.result.parent / f"figure-{len(self.figures) + 1}.png"
        path.write_bytes(base64.b64decode(encoded))
        self.figures.append(path)
        if not self._quiet:
            say(f"  [figure: {path}]", "dim")


def _print_markdown(source: str) -> None:
    """Headings bold, the words between them wrapped."""
    heading, _, words = source.partition("\n") if source.startswith("#") else ("", "", source)
    if heading:
        say(heading.lstrip("# "), "bold")
    if words.strip():
        console = Console(width=min(width(sys.stdout) or _COLUMNS, _COLUMNS), highlight=False)
        console.print(Markdown(words))


def _cut(line: str) -> str:
    """The line cut to the terminal; one with colours is left whole, or loses them where none are shown."""
    columns = width(sys.stdout)
    line = line if coloured(sys.stdout) else uncoloured(line)
    return line if columns is None or "\x1b" in line else fit(line, columns)


def _text(output: Any) -> str:
    """What a terminal can show of an output."""
    kind = output["output_type"]
    if kind == "stream":
        return str(output["text"])
    if kind == "error":
        return "\n".join(output["traceback"])
    return str(output.get("data", {}).get("text/plain", ""))


def _short(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"… {len(lines) - most + 1} more lines"]
