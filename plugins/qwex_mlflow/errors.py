"""What a tracking server answers when it does not do what it was asked."""

from __future__ import annotations

import re

from qwex.errors import QwexError, TrackerUnavailable

__all__ = ["Refused", "Unanswered"]

#: What MLflow says of a run or an experiment that was deleted, with codes that it has for much else.
_NOT_ACTIVE = re.compile(r"The (run|experiment) \S+ must be in (the )?'active' (state|lifecycle_stage)")


class Refused(QwexError):
    """The server understood and refused; ``code`` is MLflow's own, such as ``RESOURCE_DOES_NOT_EXIST``."""

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether what was asked for is not there, or was deleted."""
        if self.code in ("INVALID_PARAMETER_VALUE", "INVALID_STATE"):
            return _NOT_ACTIVE.match(self.message) is not None
        return self.code == "RESOURCE_DOES_NOT_EXIST"


class Unanswered(TrackerUnavailable):
    """The server was asked, and may be doing it still."""
