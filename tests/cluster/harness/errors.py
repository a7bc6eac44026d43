"""What goes wrong with a cluster."""

from __future__ import annotations

__all__ = ["ClusterError", "NotSupported"]


class ClusterError(Exception):
    """What happened, why, and what to do about it."""


class NotSupported(ClusterError):
    """This kind of cluster cannot do that."""
