"""A controller's refusal (RFC 9457 problem JSON) as the error it stands for."""

from __future__ import annotations

import json
from typing import Any

from qwex import errors
from qwex.errors import QwexError

__all__ = ["error_of"]

#: Errors of a job or of capture are raised on this side only, and have constructors of their own.
_OWN = (errors.JobError, errors.CaptureError)
_KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, QwexError)]
_BY_CODE = {kind.code: kind for kind in _KINDS if not issubclass(kind, _OWN)}
_BY_STATUS: dict[int, type[QwexError]] = {
    400: errors.InvalidSpec,
    401: errors.NotAuthorized,
    403: errors.NotAuthorized,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.InvalidSpec,
    502: errors.ControllerUnavailable,
    503: errors.ControllerUnavailable,
    504: errors.ControllerUnavailable,
}


def error_of(status: int, body: bytes) -> QwexError:
    """The error to raise for an answer with ``status`` of 400 or more."""
    problem = _problem(body)
    if problem is None:
        said = body[:200].decode("utf-8", "replace").strip()
        return _BY_STATUS.get(status, QwexError)(f"the controller answered {status}{': ' if said else ''}{said}")
    kind = _BY_CODE.get(str(problem.get("code")), _BY_STATUS.get(status, QwexError))
    pairs = [(str(p.get("field", "")), str(p.get("message", ""))) for p in problem.get("problems") or ()]
    return kind(str(problem.get("detail") or problem.get("title") or status), problems=pairs)


def _problem(body: bytes) -> dict[str, Any] | None:
    try:
        raw = json.loads(body)
    except ValueError:
        return None
    return raw if isinstance(raw, dict) and ("detail" in raw or "title" in raw) else None
