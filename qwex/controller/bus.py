"""State changes on their way to readers inside the controller. A slow reader costs no memory and misses no job."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from qwex.record import JobRecord

if TYPE_CHECKING:
    from typing import TypeAlias

    from qwex.machines import MachineGone, MachineRecord

    Change: TypeAlias = JobRecord | MachineRecord | MachineGone

__all__ = ["Bus", "Subscription"]

#: Changes that wait for one reader; beyond, only the newest of each job and machine is kept.
_WAITING = 1000


class Subscription:
    """The changes since the last ``take``."""

    def __init__(self, wake: asyncio.Event) -> None:
        self.wake = wake
        self._changes: list[Change] = []
        self._limit = _WAITING

    def put(self, change: Change) -> None:
        """One more change."""
        self._changes.append(change)
        if len(self._changes) > self._limit:
            newest = {(isinstance(change, JobRecord), change.id): change for change in self._changes}
            self._changes = list(newest.values())
            # As many jobs as that do wait: look again only when it has grown as much once more.
            self._limit = max(_WAITING, 2 * len(self._changes))
        self.wake.set()

    def take(self) -> list[Change]:
        """All that wait, oldest first."""
        changes, self._changes = self._changes, []
        self._limit = _WAITING
        return changes


class Bus:
    """Who wants to know of changes."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._waiting: set[asyncio.Event] = set()

    def publish(self, change: Change) -> None:
        """A job's state changed, or a machine, or that is no more."""
        for subscription in self._subscriptions:
            subscription.put(change)
        self.ring()

    def ring(self) -> None:
        """Wake those who only want to know that something changed."""
        for wake in self._waiting:
            wake.set()

    def subscribe(self) -> Subscription:
        """Every change from now on; ``unsubscribe`` it."""
        subscription = Subscription(asyncio.Event())
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """The inverse of ``subscribe``."""
        self._subscriptions.discard(subscription)

    def wake_on_change(self, wake: asyncio.Event) -> None:
        """Set ``wake`` whenever anything changes."""
        self._waiting.add(wake)

    def forget(self, wake: asyncio.Event) -> None:
        """The inverse of ``wake_on_change``."""
        self._waiting.discard(wake)

    def end(self) -> None:
        """Wake everybody: the controller ends."""
        for subscription in self._subscriptions:
            subscription.wake.set()
        self.ring()
