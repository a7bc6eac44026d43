"""What a job's own code may say of itself: numbers over time, which become metrics wherever the job is recorded."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from .channel import Channel

__all__ = ["log_metrics", "provide"]

_channel: Channel | None = None
_MOST_NAMES = 1000
#: The largest step: what every reader of JSON takes for the same number.
_STEPS = 2**53


def log_metrics(values: Mapping[str, float], step: int = 0) -> None:
    """Log numbers by name at a step; NaN and infinite ones too. Outside a job, and in its child processes, nothing.

    Raises:
        TypeError: a value or the step is no number, or a name no text.
        ValueError: a number is too large: a step beyond ±2**53, a value that no float holds.
    """
    if _channel is None or not _channel.open or not values:
        return
    if len(values) > _MOST_NAMES:
        raise TypeError(f"at most {_MOST_NAMES} metrics at a time, not {len(values)}")
    said = {_name(name): _number(name, value) for name, value in values.items()}
    _channel.send("metrics", values=said, step=_step(step))


def provide(channel: Channel) -> None:
    """From now on what is logged reaches the job's log, also where qwex is not installed."""
    global _channel
    _channel = channel
    if _Instead not in sys.meta_path:
        sys.meta_path.append(_Instead)


class _Instead:
    """Stands for the package ``qwex`` where that is not installed, with what of it means something in a job.

    The last to be asked, so that one that is installed comes first.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "qwex":
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _Instead)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """As usual."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        module.__doc__ = "What there is of qwex in jobs whose image does not have it."
        module.log_metrics = log_metrics  # type: ignore[attr-defined]


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"{name!r} is no name of a metric")
    return name


def _number(name: str, value: object) -> float | str:
    """JSON has no word for numbers that are none; readers take these texts for them."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError(f"the metric {name!r} is too large for a number with a point") from None
    except (TypeError, ValueError):
        raise TypeError(f"the metric {name!r} is no number: {value!r}") from None
    return number if number - number == 0 else str(number)


def _step(given: object) -> int:
    try:
        step: int = int(given)  # type: ignore[call-overload]
    except OverflowError:
        raise ValueError(f"the step {given!r} is too large") from None
    except (TypeError, ValueError):
        raise TypeError(f"the step is no number: {given!r}") from None
    if abs(step) > _STEPS:
        raise ValueError("a step is between -2**53 and 2**53")
    return step
