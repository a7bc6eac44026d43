"""The controller's own errors, and any exception as a problem."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import Any

from qwex import errors, problems
from qwex.errors import QwexError

__all__ = ["STATUS", "StoreUnavailable", "Unauthenticated", "as_error", "problem", "status_of"]


class StoreUnavailable(QwexError):
    """The store cannot take anything in now: its disk is full or its database does not answer. Nothing was stored."""

    code = "store-unavailable"


class Unauthenticated(errors.NotAuthorized):
    """The request does not say who asks, or not convincingly."""


STATUS: dict[type[QwexError], HTTPStatus] = {
    **problems.STATUS,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    StoreUnavailable: HTTPStatus.INSUFFICIENT_STORAGE,
}


def status_of(error: QwexError) -> HTTPStatus:
    """The status of the error's class or its nearest base."""
    return problems.status_of(error, STATUS)


def problem(error: QwexError) -> dict[str, Any]:
    """The body of an answer that refuses."""
    return problems.problem(error, status_of(error))


def as_error(error: Exception) -> QwexError:
    """Any exception as an error to show; what was not raised on purpose says no more than that."""
    if isinstance(error, QwexError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreUnavailable("the controller's disk is full; make space and try again")
    return QwexError("the controller failed; its log says more")
