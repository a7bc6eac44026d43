"""What all handlers have in common: who may ask, and how an error is answered."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler

from qwex import errors, problems
from qwex.errors import ControllerUnavailable, QwexError

if TYPE_CHECKING:
    from types import TracebackType

    from qwex_ext.service import Service

__all__ = ["Handler", "command"]

#: Without settings that can be read, or a controller, nothing is to be had for now.
_STATUS = {
    **problems.STATUS,
    errors.ConfigError: HTTPStatus.SERVICE_UNAVAILABLE,
    ControllerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def command(error: QwexError) -> str:
    """What to run to see more, or to mend it; empty where no command does."""
    if isinstance(error, ControllerUnavailable):
        return error.command
    return "qwex config" if isinstance(error, (errors.ConfigError, errors.NotAuthorized)) else ""


class Handler(APIHandler):
    """Answers JSON; an error of qwex's is answered as a problem (RFC 9457), as the controller does it."""

    auth_resource = "qwex"
    # An open tab asks all the time; it must not keep a server from being culled.
    _track_activity = False

    @property
    def service(self) -> Service:
        """What the handlers share."""
        service: Service = self.settings["qwex_service"]
        return service

    @property
    def content_security_policy(self) -> str:
        """Should a browser show as a page what a job wrote, it has no script, no form and no origin."""
        return f"{super().content_security_policy}; sandbox"

    def answer(self, data: Any, status: int = 200, media_type: str = "application/json") -> None:
        """Data as JSON."""
        self.set_status(status)
        self.finish(json.dumps(data), set_content_type=media_type)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The one place where errors become answers."""
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, QwexError):
            super().write_error(status_code, **kwargs)
            return
        described = problems.problem(error, problems.status_of(error, _STATUS))
        self.answer({**described, "command": command(error)}, described["status"], "application/problem+json")

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """What was raised on purpose needs no traceback."""
        if isinstance(value, QwexError):
            self.log.info("%s: %s", self.request.path, value)
        else:
            super().log_exception(typ, value, tb)
