"""What a tracking server answers when it does not do what it was asked."""

from __future__ import annotations

from qwex.errors import QwexError

__all__ = ["Refused"]


class Refused(QwexError):
    """The server understood and refused; ``code`` is MLflow's own, such as ``RESOURCE_DOES_NOT_EXIST``."""

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether what was asked for is not there, or was deleted."""
        return self.code == "RESOURCE_DOES_NOT_EXIST" or "deleted" in self.message
