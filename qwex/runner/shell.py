"""A plain IPython shell: no kernel, no sockets, no history; what it shows becomes records."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import sys
import tempfile
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from IPython.core.autocall import ExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import default
from traitlets.config import Config

from . import tracebacks
from .channel import encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .channel import Channel

__all__ = ["Cells", "prepare", "rehearse", "warm"]

#: What matplotlib and ``%gui`` name when no window is meant.
_WINDOWLESS = (None, "", "none", "inline", "agg")


class Cells:
    """Runs cells in the process's shell; see ``cell.run``."""

    def __init__(self, inputs: dict[str, Any], channel: Channel) -> None:
        self._shell = prepare()
        self._shell.channel = channel
        self._shell.user_ns.update(inputs)
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.namespace: dict[str, Any] = self._shell.user_ns

    def run(self, text: str, number: int) -> None:
        """Run one, as ``In [number]``."""
        self._shell.execution_count = number
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="To exit: use")
            result = self._loop.run_until_complete(self._run(text))
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, SystemExit):
            raise error
        if error is not None:
            raise tracebacks.Reported(error)

    async def _run(self, text: str) -> Any:
        """As a kernel does it: in a loop that runs, so that a cell may begin what others await."""
        transformed, failure = text, None
        try:
            transformed = self._shell.transform_cell(text)
        except Exception:
            failure = sys.exc_info()
        known = {"transformed_cell": transformed, "preprocessing_exc_tuple": failure}
        if self._shell.should_run_async(text, **known):
            return await self._shell.run_cell_async(text, store_history=True, **known)
        return self._shell.run_cell(text, store_history=True)


@lru_cache
def prepare() -> Any:
    """The process's shell."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell: Any = Shell.instance(
        config=config, display_pub_class=_Publisher, displayhook_class=_ResultHook, compiler_class=_Compiler
    )
    atexit.unregister(shell.atexit_operations)
    return shell


def warm() -> None:
    """Load what tracebacks need, and rehearse."""
    rehearse()
    try:
        raise ValueError
    except ValueError as error:
        prepare().InteractiveTB.structured_traceback(ValueError, error, error.__traceback__)


def rehearse() -> None:
    """Run a cell and forget it.

    After a fork this makes the pages that every cell writes to this process's own, ahead of the job.
    """
    shell = prepare()
    shell.channel = _Nowhere()
    before = dict(shell.user_ns)
    shell.run_cell("1")
    for name in shell.user_ns.keys() - before.keys():
        del shell.user_ns[name]
    shell.user_ns.update(before)
    shell.user_ns["_oh"].clear()
    shell.displayhook._ = ""
    gc.collect()


class _Nowhere:
    """A channel for rehearsals."""

    def send(self, type: str, **fields: Any) -> None:
        encode_record(type, fields)


class _Exit(ExitAutocall):
    """``exit`` and ``quit`` end the cell as they end a script."""

    def __call__(self, code: Any = None) -> None:
        raise SystemExit(code)


class Shell(InteractiveShell):
    """IPython's shell with the log as its screen."""

    channel: Any = None
    #: ``!command`` writes to fd 1 and 2 itself and streams, instead of through a pseudo-terminal.
    system = InteractiveShell.system_raw

    def init_virtualenv(self) -> None:
        """The interpreter was chosen with care; VIRTUAL_ENV adds nothing to it."""

    def init_profile_dir(self, profile_dir: Any) -> None:
        """The user's profile, or an empty one where the home folder cannot be written."""
        try:
            super().init_profile_dir(profile_dir)  # type: ignore[no-untyped-call]
        except OSError:
            self.ipython_dir = tempfile.mkdtemp(prefix="qwex-ipython-")
            super().init_profile_dir(profile_dir)  # type: ignore[no-untyped-call]

    @contextlib.contextmanager
    def _tee(self, channel: str) -> Iterator[None]:
        """IPython would keep a copy of all output in memory."""
        yield

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show the exception that was raised; a cell's own exit is none."""
        kind, error, _ = self._get_exc_info(exc_tuple)  # type: ignore[no-untyped-call]
        if issubclass(kind, SystemExit):
            return
        if _holds_group(error):
            # IPython prints those itself, past _showtraceback.
            self._showtraceback(kind, error, tracebacks.render(error))
        else:
            super().showtraceback(exc_tuple, *args, **kwargs)

    @default("exiter")
    def _default_exiter(self) -> ExitAutocall:
        return _Exit(self)  # type: ignore[no-untyped-call]

    def ask_exit(self) -> None:
        """End the cell: there is nothing else to leave."""
        raise SystemExit

    def enable_gui(self, gui: str | None = None) -> None:
        """Accept what needs no window and no loop of its own.

        Raises:
            UsageError: a window was asked for.
        """
        if gui not in _WINDOWLESS:
            raise UsageError(f"a job has no screen for {gui!r}. Figures are shown with: %matplotlib inline")

    def enable_matplotlib(self, gui: str | None = None) -> Any:
        """Choose where figures are drawn; refused before matplotlib tries to open a window."""
        from IPython.core.pylabtools import find_gui_and_backend

        self.enable_gui(find_gui_and_backend(gui, self.pylab_gui_select)[0])  # type: ignore[no-untyped-call]
        return super().enable_matplotlib(gui)  # type: ignore[no-untyped-call]

    def show_usage_error(self, exc: BaseException) -> None:
        """A misused magic fails the job as any error does."""
        self._showtraceback(type(exc), exc, [f"UsageError: {exc}"])

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        lines = "\n".join(stb).split("\n")
        self.channel.send("error", **tracebacks.describe(evalue, lines))


class _Compiler(CachingCompiler):
    """Names a cell's code as its traceback does, also that of other cells, whose functions came as inputs."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        return f"Cell In[{number}]"

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        label, _, cell = name.partition(" ")
        return (label, cell) if label == "Cell" and cell.startswith("In[") else None


class _Publisher(DisplayPublisher):
    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: Any = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        self._validate_data(data, metadata)  # type: ignore[no-untyped-call]
        kind = "update_display" if update else "display"
        self.shell.channel.send(
            kind, data=data, metadata=metadata or {}, transient=transient if isinstance(transient, dict) else {}
        )

    def clear_output(self, wait: bool = False) -> None:
        self.shell.channel.send("clear_output", wait=wait)


class _ResultHook(DisplayHook):
    shell: Any

    def write_output_prompt(self) -> None:
        """The record carries the number."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        metadata = md_dict or {}
        self.shell.channel.send("result", data=format_dict, metadata=metadata, execution_count=self.prompt_count)

    def finish_displayhook(self) -> None:
        self._is_active = False


def _holds_group(error: BaseException | None) -> bool:
    while error is not None:
        if hasattr(error, "exceptions") and hasattr(error, "derive"):
            return True
        error = error.__context__
    return False
