"""Errors as RFC 9457 problems: one table from error class to status."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import Any

from qwex import errors
from qwex.errors import QwexError

__all__ = ["STATUS", "StoreUnavailable", "Unauthenticated", "as_error", "problem", "status_of"]


class StoreUnavailable(QwexError):
    """The store cannot take anything in now: its disk is full or its database does not answer. Nothing was stored."""

    code = "store-unavailable"


class Unauthenticated(errors.NotAuthorized):
    """The request does not say who asks, or not convincingly."""


#: A class that is not here has the status of its nearest base. What a body names wrongly is the body's fault.
STATUS: dict[type[QwexError], HTTPStatus] = {
    QwexError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidSpec: HTTPStatus.BAD_REQUEST,
    errors.UnknownBackend: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.NotAuthorized: HTTPStatus.FORBIDDEN,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BackendUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.INSUFFICIENT_STORAGE,
}


def status_of(error: QwexError) -> HTTPStatus:
    """The status of the error's class or its nearest base."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(error: QwexError) -> dict[str, Any]:
    """The body of an answer that refuses."""
    status = status_of(error)
    return {
        "type": f"urn:qwex:problem:{error.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": error.message,
        "code": error.code,
        "problems": [{"field": field, "message": message} for field, message in error.problems],
    }


def as_error(error: Exception) -> QwexError:
    """Any exception as an error to show; what was not raised on purpose says no more than that."""
    if isinstance(error, QwexError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreUnavailable("the controller's disk is full; make space and try again")
    return QwexError("the controller failed; its log says more")
