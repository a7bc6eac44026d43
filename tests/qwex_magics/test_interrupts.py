from __future__ import annotations

import signal

import pytest

from qwex_magics.interrupts import Interrupts


def test_an_interrupt_is_put_off_to_the_end_of_the_shield():
    done = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.shield():
        done.append(signal.raise_signal(signal.SIGINT))
    assert done == [None]


def test_outside_the_shield_it_is_raised_at_once():
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_it_changes_nothing():
    from concurrent.futures import ThreadPoolExecutor

    def enter():
        with Interrupts() as interrupts, interrupts.shield():
            return True

    with ThreadPoolExecutor() as pool:
        assert pool.submit(enter).result()
