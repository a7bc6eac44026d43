"""What cannot be read or written of a machine, as the contract's error, with what helps."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from typing import TYPE_CHECKING

from qwex.errors import BackendUnavailable
from qwex_local.machines.box import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["refusals"]

_FULL, _ITS_PLACE = "Make room on that disk and try again", "Move what is there away and try again"
#: What helps where a file cannot be written.
_DO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR), _ITS_PLACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Make that writable for you and try again"),
}


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What cannot be read or written now may be later.

    Raises:
        BackendUnavailable: in place of what it was.
    """
    try:
        yield
    except (Damaged, sqlite3.Error) as error:
        raise BackendUnavailable(str(error)) from error
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        do = _DO.get(error.errno or 0)
        raise BackendUnavailable(f"{said}. {do}" if do else said) from error
