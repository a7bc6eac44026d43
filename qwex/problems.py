"""Errors as RFC 9457 problems: one table from error class to status, to which a server adds its own."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from qwex import errors
from qwex.errors import QwexError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATUS", "problem", "status_of"]

#: A class that is not here has the status of its nearest base. What a body names wrongly is the body's fault.
STATUS: dict[type[QwexError], HTTPStatus] = {
    QwexError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidSpec: HTTPStatus.BAD_REQUEST,
    errors.UnknownBackend: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.NotAuthorized: HTTPStatus.FORBIDDEN,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BackendUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TrackerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ArtifactsUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: QwexError, table: Mapping[type[QwexError], HTTPStatus] = STATUS) -> HTTPStatus:
    """The status of the error's class or its nearest base."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)


def problem(error: QwexError, status: HTTPStatus) -> dict[str, Any]:
    """The body of an answer that refuses."""
    return {
        "type": f"urn:qwex:problem:{error.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": error.message,
        "code": error.code,
        "problems": [{"field": field, "message": message} for field, message in error.problems],
    }
