"""The two magics as IPython sees them: help made when asked, errors in one line. Imports nothing heavy."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from qwex_magics.session import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

MagicT = TypeVar("MagicT", bound="Callable[..., Any]")

__all__ = ["cell_magic", "line_magic"]


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


def _neat(magic: Callable[..., Any]) -> Callable[..., Any]:
    """The one place where errors of qwex are caught: the type stays, the traceback is one line."""

    @wraps(magic)
    def guarded(*args: str) -> Any:
        from qwex.errors import InvalidSpec, QwexError
        from qwex_magics.line import listing

        try:
            return magic(*args)
        except QwexError as error:
            if hasattr(error, "_render_traceback_"):
                raise
            if isinstance(error, InvalidSpec):
                raise UsageError(listing(error.problems) if error.problems else str(error)) from None
            _shorten(error, f"{type(error).__name__}: {error}")
            raise
        except KeyboardInterrupt as error:
            if not hasattr(error, "_render_traceback_"):
                _shorten(error, "KeyboardInterrupt")
            raise

    return guarded
