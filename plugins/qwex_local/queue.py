"""Who goes next: queues with quotas on one machine, in pure data. No I/O, no clock, no processes.

Within a queue jobs stand by priority, then by arrival. One that does not fit may be passed by those behind it that do
(back-fill), but only for so long; after that the queue waits for it. Jobs that ask for the same amounts are of one
*shape* and interchangeable, so a pass looks at each shape's first job alone and costs the same for ten jobs as for
ten thousand.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qwex.quantities import GpuRequest
    from qwex_local.machine import Gpu, Machine

__all__ = ["Amount", "Entry", "Line", "Pass", "Scheduler", "Shape"]


class Amount(NamedTuple):
    """Thousandths of a core, bytes, GPUs."""

    cpu: int = 0
    memory: int = 0
    gpu: int = 0

    def plus(self, other: Amount) -> Amount:
        """The sum."""
        return Amount(self.cpu + other.cpu, self.memory + other.memory, self.gpu + other.gpu)

    def minus(self, other: Amount) -> Amount:
        """The difference."""
        return Amount(self.cpu - other.cpu, self.memory - other.memory, self.gpu - other.gpu)

    def within(self, limit: Amount) -> bool:
        """Whether no part is over the limit's."""
        return self.cpu <= limit.cpu and self.memory <= limit.memory and self.gpu <= limit.gpu

    def capped(self, limit: Amount) -> Amount:
        """The smaller of the two, part by part."""
        return Amount(min(self.cpu, limit.cpu), min(self.memory, limit.memory), min(self.gpu, limit.gpu))

    def floored(self, limit: Amount) -> Amount:
        """The larger of the two, part by part."""
        return Amount(max(self.cpu, limit.cpu), max(self.memory, limit.memory), max(self.gpu, limit.gpu))


@dataclass(frozen=True, slots=True)
class Shape:
    """What a job asks for."""

    cpu: int
    memory: int = 0
    gpu: GpuRequest | None = None

    @property
    def amount(self) -> Amount:
        """The same as numbers, without which GPUs."""
        return Amount(self.cpu, self.memory, self.gpu.count if self.gpu else 0)


class Entry:
    """One job as the queue sees it."""

    __slots__ = ("devices", "order", "passed_since", "queue", "reserves", "run_id", "shape", "stopping")

    def __init__(self, run_id: str, queue: str, shape: Shape, priority: int, seq: int) -> None:
        self.run_id = run_id
        self.queue = queue
        self.shape = shape
        #: Smaller goes first.
        self.order = (-priority, seq)
        #: The GPUs it holds.
        self.devices: tuple[str, ...] = ()
        #: Was asked to end; what it holds will soon be free.
        self.stopping = False
        #: When another was first let past it, while it was its queue's first.
        self.passed_since: float | None = None
        #: Others are being sent away for it, or it was passed for too long: its queue is served before others.
        self.reserves = False

    @property
    def priority(self) -> int:
        """Higher goes first."""
        return -self.order[0]

    @property
    def seq(self) -> int:
        """Its number of arrival."""
        return self.order[1]


_ORDER = attrgetter("order")


class Line:
    """One queue: its quota, who waits (by shape, in order), and who holds some of the quota."""

    def __init__(self, quota: Amount) -> None:
        self.quota = quota
        self.used = Amount()
        self.waiting: dict[Shape, list[Entry]] = {}
        self.running: dict[str, Entry] = {}

    def __len__(self) -> int:
        return sum(map(len, self.waiting.values()))

    def add(self, entry: Entry) -> None:
        """Stand in the line."""
        insort(self.waiting.setdefault(entry.shape, []), entry, key=_ORDER)

    def remove(self, entry: Entry) -> None:
        """Leave the line."""
        same = self.waiting[entry.shape]
        del same[bisect_left(same, entry.order, key=_ORDER)]
        if not same:
            del self.waiting[entry.shape]

    def first(self) -> Entry:
        """Who goes next if there is room; the line must not be empty."""
        return min((same[0] for same in self.waiting.values()), key=_ORDER)

    def ahead(self, order: tuple[int, int]) -> int:
        """How many stand before that place."""
        return sum(bisect_left(same, order, key=_ORDER) for same in self.waiting.values())


@dataclass
class Pass:
    """What one look at the queues decided: jobs to start (they hold their quota now) and jobs to send away."""

    start: list[Entry] = field(default_factory=list)
    preempt: list[Entry] = field(default_factory=list)


class Scheduler:
    """The queues of one machine. A job is added, started by a pass or taken back (``hold``), and released."""

    def __init__(
        self,
        machine: Machine,
        quotas: Mapping[str, Amount],
        *,
        preempt: bool = True,
        backfill_max_wait: float = 600.0,
    ) -> None:
        self.machine = machine
        self.total = Amount(machine.cpu, machine.memory, len(machine.gpus))
        self.lines = {name: Line(quota.capped(self.total)) for name, quota in quotas.items()}
        self.used = Amount()
        self.preempt = preempt
        self.backfill_max_wait = backfill_max_wait
        self._free = {gpu.id for gpu in machine.gpus}
        #: Of what is free, what the last pass kept for jobs that others have to make room for.
        self._kept = Amount()
        self._kept_devices: set[str] = set()

    @property
    def free_devices(self) -> frozenset[str]:
        """The GPUs that no job holds."""
        return frozenset(self._free)

    def add(self, entry: Entry) -> None:
        """The job waits."""
        self.lines[entry.queue].add(entry)

    def remove(self, entry: Entry) -> None:
        """The job waits no more."""
        self.lines[entry.queue].remove(entry)

    def hold(self, entry: Entry, devices: Sequence[str]) -> None:
        """The job holds its quota and these GPUs, whether there is room or not (it may run since before a restart)."""
        line = self.lines[entry.queue]
        line.running[entry.run_id] = entry
        line.used = line.used.plus(entry.shape.amount)
        self.used = self.used.plus(entry.shape.amount)
        entry.devices = tuple(devices)
        entry.passed_since, entry.reserves = None, False
        self._free.difference_update(devices)

    def release(self, entry: Entry) -> None:
        """The job has ended; what it held is free."""
        line = self.lines[entry.queue]
        del line.running[entry.run_id]
        line.used = line.used.minus(entry.shape.amount)
        self.used = self.used.minus(entry.shape.amount)
        self._free.update(set(entry.devices) & {gpu.id for gpu in self.machine.gpus})
        entry.devices, entry.stopping = (), False

    def position(self, entry: Entry) -> int:
        """Its place among those that wait in its queue, from 1."""
        return self.lines[entry.queue].ahead(entry.order) + 1

    def fits(self, queue: str, shape: Shape, without: Iterable[Entry] = ()) -> bool:
        """Whether the queue and the machine have room now, or had if ``without`` were gone."""
        line, amount = self.lines[queue], shape.amount
        in_line, in_all, free = line.used.plus(amount), self.used.plus(amount), self._free
        for other in without:
            free = free | set(other.devices)
            in_all = in_all.minus(other.shape.amount)
            if other.queue == queue:
                in_line = in_line.minus(other.shape.amount)
        enough = in_line.within(line.quota) and in_all.within(self.total)
        return enough and (not shape.gpu or len(self._matching(shape.gpu, free)) >= shape.gpu.count)

    def most(self, queue: str, shape: Shape) -> Amount:
        """The most the queue can ever give to a job of this kind."""
        quota = self.lines[queue].quota
        if not shape.gpu:
            return quota
        matching = len(self._matching(shape.gpu, {gpu.id for gpu in self.machine.gpus}))
        return quota._replace(gpu=min(quota.gpu, matching))

    def possible(self, queue: str, shape: Shape) -> bool:
        """Whether it can ever start; settings may have changed since it was accepted."""
        return shape.amount.within(self.most(queue, shape))

    def schedule(self, now: float) -> Pass:
        """Decide who starts and who is sent away; ``now`` is a monotonic clock's."""
        result = Pass()
        self._kept, self._kept_devices = Amount(), set()
        lines = [line for line in self.lines.values() if line.waiting]
        lines.sort(key=lambda line: _turn(line.first()))
        blocked = [self._serve(line, now, result) for line in lines]
        for entry in filter(None, blocked):
            if entry.passed_since is None and any(self._passes(other, entry) for other in result.start):
                entry.passed_since = now
        return result

    def _serve(self, line: Line, now: float, result: Pass) -> Entry | None:
        """Start what may start in this line; the first job that may not, though it could."""
        heads = [(same[0].order, same[0]) for same in line.waiting.values()]
        heapq.heapify(heads)
        blocked: Entry | None = None
        while heads and (blocked is None or line.used.cpu < line.quota.cpu):
            entry = heapq.heappop(heads)[1]
            if self._may_start(entry):
                self._start(line, entry, result)
                if entry.shape in line.waiting:
                    following = line.waiting[entry.shape][0]
                    heapq.heappush(heads, (following.order, following))
            elif blocked is None and self.possible(entry.queue, entry.shape):
                blocked = entry
                if self._makes_room(line, entry, now, result):
                    self._keep_room(line, entry)
                    break
        return blocked

    def _passes(self, started: Entry, waiting: Entry) -> bool:
        """Whether the one took room that the other waits for, and had less right to it."""
        if started.queue == waiting.queue:
            return started.order > waiting.order
        line = self.lines[waiting.queue]
        return started.seq > waiting.seq and line.used.plus(waiting.shape.amount).within(line.quota)

    def _may_start(self, entry: Entry) -> bool:
        """Whether there is room that is not kept for another queue's first job."""
        if not self.fits(entry.queue, entry.shape):
            return False
        left = self.total.minus(self.used).minus(self._kept)
        return entry.shape.amount.within(left) and (not entry.shape.gpu or self._devices(entry.shape.gpu) is not None)

    def _start(self, line: Line, entry: Entry, result: Pass) -> None:
        line.remove(entry)
        devices = self._devices(entry.shape.gpu) if entry.shape.gpu else None
        self.hold(entry, devices or ())
        result.start.append(entry)

    def _devices(self, request: GpuRequest) -> list[str] | None:
        """The GPUs to give, None if too few are free and not kept."""
        found = self._matching(request, self._free - self._kept_devices)[: request.count]
        return [gpu.id for gpu in found] if len(found) == request.count else None

    def _makes_room(self, line: Line, entry: Entry, now: float, result: Pass) -> bool:
        """Whether nobody may pass this first job: others are leaving for it, or it was passed for too long."""
        if self.fits(entry.queue, entry.shape):  # there is room, but it is kept for another queue's first job
            return False
        leaving = [other for each in self.lines.values() for other in each.running.values() if other.stopping]
        if leaving and self.fits(entry.queue, entry.shape, leaving):
            return True
        victims = self._victims(line, entry, leaving) if self.preempt else []
        for victim in victims:
            victim.stopping = True
        result.preempt += victims
        aged = entry.passed_since is not None and now - entry.passed_since >= self.backfill_max_wait
        entry.reserves = entry.reserves or bool(victims) or aged
        return bool(victims) or aged

    def _keep_room(self, line: Line, entry: Entry) -> None:
        """Let no other queue take what this job needs beyond what its own queue must give back first."""
        amount = entry.shape.amount
        owed = line.used.plus(amount).minus(line.quota).floored(Amount())
        needed = amount.minus(owed).floored(Amount())
        self._kept = self._kept.plus(needed)
        if entry.shape.gpu:
            free = self._matching(entry.shape.gpu, self._free - self._kept_devices)
            self._kept_devices.update(gpu.id for gpu in free[: needed.gpu])

    def _victims(self, line: Line, entry: Entry, leaving: list[Entry]) -> list[Entry]:
        """As few as make room, of the lowest priority, the newest first; none if that would not be enough."""
        lower = [o for o in line.running.values() if o.priority < entry.priority and not o.stopping]
        lower.sort(key=lambda other: (other.priority, -other.seq))
        for one in lower:
            if self.fits(entry.queue, entry.shape, [*leaving, one]):
                return [one]
        if not self.fits(entry.queue, entry.shape, [*leaving, *lower]):
            return []
        for spared in reversed(lower.copy()):
            rest = [other for other in lower if other is not spared]
            if self.fits(entry.queue, entry.shape, [*leaving, *rest]):
                lower = rest
        return lower

    def _matching(self, request: GpuRequest, among: set[str]) -> list[Gpu]:
        """The GPUs ``among`` these that the request accepts, the smallest first, so that large ones stay free."""
        found = [gpu for gpu in self.machine.gpus if gpu.id in among and request.accepts(gpu.model, gpu.memory)]
        return sorted(found, key=attrgetter("memory"))


def _turn(first: Entry) -> tuple[bool, int]:
    """Queues are served by their first job's arrival; one for which room is being made comes before."""
    return not first.reserves, first.seq
