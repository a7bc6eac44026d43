"""The scheduler, by hand and by hypothesis."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from qwex_local.machine import Gpu, Machine
from qwex_local.queue import Amount, Entry, Scheduler, Shape

from qwex.quantities import parse_gpu

ONE = Shape(1000)
WIDE = Amount(10**9, 10**18, 10**6)


class Desk:
    """A scheduler with names for its jobs and a counter for their arrival."""

    def __init__(self, cpu=2, gpus=(), quotas=None, **options):
        machine = Machine(cpu * 1000, 8 * 10**9, tuple(gpus))
        self.scheduler = Scheduler(machine, quotas or {"q": WIDE}, **options)
        self.entries = {}

    def add(self, name, shape=ONE, priority=0, queue="q"):
        self.entries[name] = Entry(name, queue, shape, priority, len(self.entries))
        self.scheduler.add(self.entries[name])

    def start(self, now=0.0):
        return [entry.run_id for entry in self.scheduler.schedule(now).start]

    def preempted(self, now=0.0):
        return [entry.run_id for entry in self.scheduler.schedule(now).preempt]

    def release(self, *names):
        for name in names:
            self.scheduler.release(self.entries[name])


def test_starts_in_order_of_arrival_as_far_as_there_is_room():
    desk = Desk(cpu=2)
    for name in "abc":
        desk.add(name)
    assert desk.start() == ["a", "b"]
    assert desk.scheduler.position(desk.entries["c"]) == 1
    desk.release("a")
    assert desk.start() == ["c"]


def test_priority_goes_before_arrival():
    desk = Desk(cpu=1)
    desk.add("low", priority=-1)
    desk.add("normal")
    desk.add("high", priority=5)
    assert [desk.scheduler.position(desk.entries[name]) for name in ("high", "normal", "low")] == [1, 2, 3]
    assert desk.start() == ["high"]


def test_a_smaller_job_fills_what_the_first_cannot_use():
    desk = Desk(cpu=2)
    desk.add("running")
    desk.start()
    desk.add("large", Shape(2000))
    desk.add("small")
    assert desk.start() == ["small"]


def test_a_job_is_passed_only_for_so_long():
    desk = Desk(cpu=2, backfill_max_wait=600)
    desk.add("running")
    desk.start()
    desk.add("large", Shape(2000))
    desk.add("first")
    assert desk.start(now=0) == ["first"]
    desk.release("first")
    desk.add("second")
    assert desk.start(now=599) == ["second"]
    desk.release("second")
    desk.add("third")
    assert desk.start(now=600) == []
    desk.release("running")
    assert desk.start(now=601) == ["large"]


def test_a_job_passed_for_too_long_keeps_the_machine_from_other_queues():
    desk = Desk(cpu=2, quotas={"q": WIDE, "other": WIDE})
    desk.add("running")
    desk.start()
    desk.add("large", Shape(2000))
    desk.add("small")
    desk.start(now=0)
    desk.release("small")
    desk.add("elsewhere", queue="other")
    assert desk.start(now=1000) == []
    desk.release("running")
    assert desk.start(now=1001) == ["large"]


def test_other_queues_pass_a_job_only_for_so_long_too():
    desk = Desk(cpu=2, quotas={"q": WIDE, "other": WIDE}, backfill_max_wait=600)
    desk.add("running", queue="other")
    desk.start()
    desk.add("large", Shape(2000))
    desk.add("first", queue="other")
    assert desk.start(now=0) == ["first"]
    desk.release("running")
    desk.add("second", queue="other")
    assert desk.start(now=599) == ["second"]
    desk.release("first")
    desk.add("third", queue="other")
    assert desk.start(now=600) == []
    desk.release("second")
    assert desk.start(now=601) == ["large"]


def test_nobody_is_sent_away_for_a_job_that_only_waits_behind_another_queues_first():
    desk = Desk(cpu=3, quotas={"q": WIDE, "other": WIDE})
    desk.add("running")
    desk.add("low", queue="other", priority=-1)
    desk.start()
    desk.add("large", Shape(3000))
    desk.entries["large"].passed_since = -1000.0
    desk.add("small", queue="other")
    assert desk.preempted() == []
    assert desk.start() == []


def test_preempts_the_lowest_and_newest_and_only_as_many_as_needed():
    desk = Desk(cpu=3)
    desk.add("old")
    desk.add("new")
    desk.add("lowest", priority=-1)
    desk.start()
    desk.add("urgent", Shape(2000), priority=1)
    assert desk.preempted() == ["lowest", "new"]
    assert desk.preempted() == []
    desk.release("lowest", "new")
    assert desk.start() == ["urgent"]


def test_one_large_victim_rather_than_many_small_ones():
    desk = Desk(cpu=4)
    desk.add("large", Shape(2000))
    desk.add("a")
    desk.add("b")
    desk.start()
    desk.add("urgent", Shape(2000), priority=1)
    assert desk.preempted() == ["large"]


def test_nobody_is_sent_away_in_vain():
    desk = Desk(cpu=2)
    desk.add("low")
    desk.add("same", priority=1)
    desk.start()
    desk.add("urgent", Shape(2000), priority=1)
    assert desk.preempted() == []


def test_room_made_by_preemption_is_kept():
    desk = Desk(cpu=2)
    desk.add("a")
    desk.add("b")
    desk.start()
    desk.add("urgent", Shape(2000), priority=1)
    assert desk.preempted() == ["b", "a"]
    desk.release("b")
    desk.add("small")
    assert desk.start() == []
    desk.release("a")
    assert desk.start() == ["urgent"]


def test_no_preemption_when_it_is_off():
    desk = Desk(cpu=1, preempt=False)
    desk.add("low")
    desk.start()
    desk.add("urgent", priority=1)
    assert desk.preempted() == []


def test_a_queue_is_held_to_its_quota_and_the_machine_to_its_size():
    desk = Desk(cpu=3, quotas={"a": Amount(2000, 10**10, 0), "b": Amount(2000, 10**10, 0)})
    for name in ("a1", "a2", "a3"):
        desk.add(name, queue="a")
    for name in ("b1", "b2"):
        desk.add(name, queue="b")
    assert desk.start() == ["a1", "a2", "b1"]


def test_what_can_never_start_does_not_hold_others():
    desk = Desk(cpu=2)
    desk.add("running")
    desk.start()
    desk.add("huge", Shape(5000), priority=9)
    desk.add("small")
    assert desk.start(now=10**6) == ["small"]


GPUS = (
    Gpu("0", "NVIDIA A100-SXM4-80GB", 80 * 10**9),
    Gpu("1", "NVIDIA L4", 24 * 10**9),
    Gpu("2", "NVIDIA L4", 24 * 10**9),
)


def test_gpus_are_given_by_model_and_memory_the_smallest_first():
    desk = Desk(cpu=9, gpus=GPUS)
    desk.add("any", Shape(1000, 0, parse_gpu("1")))
    desk.add("large", Shape(1000, 0, parse_gpu("A100:1")))
    desk.add("another", Shape(1000, 0, parse_gpu("40GB..:1")))
    desk.add("pair", Shape(1000, 0, parse_gpu("L4:2")))
    assert desk.start() == ["any", "large"]
    assert desk.entries["any"].devices == ("1",)
    assert desk.entries["large"].devices == ("0",)
    desk.release("any", "large")
    assert desk.start() == ["another", "pair"]
    assert desk.entries["pair"].devices == ("1", "2")


def test_the_most_a_queue_can_give_counts_the_gpus_that_match():
    desk = Desk(cpu=9, gpus=GPUS)
    assert desk.scheduler.most("q", Shape(1, 0, parse_gpu("L4:1"))).gpu == 2
    assert desk.scheduler.most("q", Shape(1, 0, parse_gpu("H100:1"))).gpu == 0


SHAPES = [
    Shape(500),
    Shape(1000),
    Shape(2000),
    Shape(3000, 10**9),
    Shape(1000, 0, parse_gpu("1")),
    Shape(1000, 0, parse_gpu("L4:2")),
]
JOBS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(SHAPES), st.integers(-1, 2))
STEPS = st.lists(st.one_of(JOBS, st.integers(0, 30)), max_size=60)


def check(scheduler, waiting, running):
    """What must hold after every pass."""
    for line in scheduler.lines.values():
        assert line.used.within(line.quota)
    assert scheduler.used.within(scheduler.total)
    held = [device for entry in running for device in entry.devices]
    assert len(held) == len(set(held))
    for entry in running:
        assert len(entry.devices) == entry.shape.amount.gpu
    for name in scheduler.lines:
        mine = sorted((e for e in waiting if e.queue == name), key=lambda e: e.order)
        assert [scheduler.position(e) for e in mine] == list(range(1, len(mine) + 1))
    if not any(entry.stopping for entry in running):
        assert not any(scheduler.fits(e.queue, e.shape) for e in waiting), "room was left unused"


@settings(max_examples=150, deadline=None)
@given(STEPS, st.booleans())
def test_whatever_happens_quotas_hold_and_no_room_is_wasted(steps, preempt):
    quotas = {"a": Amount(3000, 10**10, 2), "b": Amount(4000, 10**10, 3)}
    scheduler = Scheduler(Machine(5000, 8 * 10**9, GPUS), quotas, preempt=preempt, backfill_max_wait=10**9)
    waiting, running = set(), set()
    for seq, step in enumerate(steps):
        if isinstance(step, tuple):
            entry = Entry(str(seq), step[0], step[1], step[2], seq)
            scheduler.add(entry)
            waiting.add(entry)
        elif running:
            ended = sorted(running, key=lambda e: e.seq)[step % len(running)]
            running.remove(ended)
            scheduler.release(ended)
        result = scheduler.schedule(float(seq))
        for entry in result.start:
            better = [e for e in waiting if e.queue == entry.queue and e.shape == entry.shape]
            assert entry.order == min(e.order for e in better), "a like job of higher rank still waits"
            waiting.remove(entry)
            running.add(entry)
        check_victims(result, waiting, running)
        check(scheduler, waiting, running)


def check_victims(result, waiting, running):
    for victim in result.preempt:
        assert victim in running
        assert any(e.queue == victim.queue and e.priority > victim.priority for e in waiting)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SHAPES[:4]), st.integers(0, 2)), min_size=1, max_size=40))
def test_every_job_starts_in_the_end(jobs):
    scheduler = Scheduler(Machine(3000, 8 * 10**9), {"q": WIDE}, backfill_max_wait=5)
    for seq, (shape, priority) in enumerate(jobs):
        scheduler.add(Entry(str(seq), "q", shape, priority, seq))
    started, running, now = 0, [], 0.0
    while started < len(jobs):
        result = scheduler.schedule(now)
        started += len(result.start)
        running += result.start
        for entry in result.preempt:
            running.remove(entry)
            scheduler.release(entry)
            scheduler.add(entry)
            started -= 1
        if not result.preempt:
            scheduler.release(running.pop(0))
        now += 1


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)))
def test_jobs_leave_the_queue_from_any_place(order):
    scheduler = Scheduler(Machine(1000, 10**9), {"q": WIDE})
    entries = [Entry(str(seq), "q", SHAPES[seq % 2], seq % 3, seq) for seq in range(12)]
    for entry in entries:
        scheduler.add(entry)
    for index in order:
        scheduler.remove(entries[index])
    assert len(scheduler.lines["q"]) == 0
    assert not scheduler.lines["q"].waiting
