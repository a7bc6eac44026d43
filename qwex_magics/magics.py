"""The two magics as IPython sees them: help made when asked, errors in one line. Imports nothing heavy."""

from __future__ import annotations

import re
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from qwex_magics.session import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from qwex.errors import InvalidSpec, QwexError

MagicT = TypeVar("MagicT", bound="Callable[..., Any]")

__all__ = ["cell_magic", "line_magic"]

#: Commands of the terminal that are commands of ``%qwex`` too.
_COMMAND = re.compile(
    r"(?<![%\w/.-])qwex (?:submit|list|status|logs|why|attach|cancel|resubmit|queues|gpus|plugins"
    r"|machine (?:list|create|status|why|start|stop|set|code|delete))\b"
)


def cell_magic(shell: InteractiveShell) -> Callable[[str, str], Any]:
    """``%%qwex``."""

    @_neat
    def qwex(line: str, cell: str) -> Any:
        if "qwex_magics.submit" not in sys.modules:
            prepare()
        from qwex_magics.submit import run_cell

        return run_cell(shell, line, cell)

    return _documented(qwex, "cell_help")


def line_magic(shell: InteractiveShell) -> Callable[[str], Any]:
    """``%qwex``."""

    @_neat
    def qwex(line: str) -> Any:
        from qwex_magics.commands import run

        return run(shell, line)

    return _documented(qwex, "line_help")


def _documented(magic: MagicT, help: str) -> MagicT:
    """Give ``magic`` the documentation that ``?`` shows, made when it is asked for."""

    def getdoc() -> str:
        from qwex_magics import help as texts

        text: str = getattr(texts, help)()
        return text

    setattr(magic, "getdoc", getdoc)  # noqa: B010  where IPython looks for it
    no_var_expand(magic)
    return magic


def _shorten(error: BaseException, line: str) -> None:
    """Show ``error``, this one instance, as a line: ``_render_traceback_`` is IPython's hook for that."""
    setattr(error, "_render_traceback_", lambda: [line])  # noqa: B010


def _draws_itself(error: QwexError) -> bool:
    """Whether its kind says more than one line: the job's own traceback, the line that is no Python."""
    from qwex.errors import QwexError

    return type(error)._render_traceback_ is not QwexError._render_traceback_


def _refusal(error: InvalidSpec) -> str:
    from qwex_magics.arguments import by_flag
    from qwex_magics.line import listing

    return _as_magics(listing(by_flag(error.problems)) if error.problems else str(error))


def _as_magics(text: str) -> str:
    """The text with the commands it names as they are written in a notebook."""
    return _COMMAND.sub(r"%\g<0>", text)


def _neat(magic: Callable[..., Any]) -> Callable[..., Any]:
    """The one place where errors of qwex are caught: the type stays, the traceback is one line."""

    @wraps(magic)
    def guarded(*args: str) -> Any:
        from qwex.errors import InvalidSpec, QwexError

        try:
            return magic(*args)
        except QwexError as error:
            if _draws_itself(error):
                raise
            if isinstance(error, InvalidSpec):
                raise UsageError(_refusal(error)) from None
            _shorten(error, f"{type(error).__name__}: {_as_magics(str(error))}")
            raise
        except KeyboardInterrupt as error:
            if not hasattr(error, "_render_traceback_"):
                _shorten(error, "KeyboardInterrupt")
            raise

    return guarded
