"""What the API server refuses."""

from __future__ import annotations

from qwex.errors import QwexError

__all__ = ["ApiError", "Missing"]


class ApiError(QwexError):
    """The API server's own refusal: a status, its reason in one word, its message."""

    code = "kubernetes"

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Missing(ApiError):
    """There is no such object (404)."""
