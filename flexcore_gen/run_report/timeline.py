"""Runs over time: a lane per pipeline, a bar per run. Lengths are SVG units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flexcore_gen.run_report.collect import title

if TYPE_CHECKING:
    from flexcore_gen.events.run_state import RunState

WIDTH = 1000.0
LABEL_WIDTH = 260.0
LANE_HEIGHT = 26.0
MAX_LANES = 40
_SMALLEST_BAR = 4.0
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One run: where it stands and what it was."""

    x: float
    width: float
    run: RunState


@dataclass(frozen=True, slots=True)
class Lane:
    """One pipeline's runs."""

    label: str
    y: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes under one axis; `ticks` are places and their times, UTC."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    height: float
    left_out: int


def timeline(runs: list[RunState], now: datetime) -> Timeline | None:
    """Lays out runs between the first start and the last end.

    Args:
        runs: Newest first.
        now: Where the bars of open runs end; aware.
    """
    timed = [(run, _time(run.started_at), _end(run, now)) for run in runs]
    timed = [each for each in timed if each[1] is not None]
    if not timed:
        return None
    first = min(start for _, start, _ in timed if start)
    last = max(end for _, _, end in timed)
    span = max((last - first).total_seconds(), 1.0)

    def place(moment: datetime) -> float:
        share = (moment - first).total_seconds() / span
        return LABEL_WIDTH + share * (WIDTH - LABEL_WIDTH - _SMALLEST_BAR)

    groups: dict[str, list[Bar]] = {}
    for run, start, end in timed:
        if start is None:
            continue
        x = place(start)
        bar = Bar(x, max(place(end) - x, _SMALLEST_BAR), run)
        groups.setdefault(title(run), []).append(bar)
    lanes = tuple(
        Lane(name, LANE_HEIGHT * (number + 1), tuple(bars))
        for number, (name, bars) in enumerate(sorted(groups.items())[:MAX_LANES])
    )
    steps = [first + timedelta(seconds=span * n / (_TICKS - 1)) for n in range(_TICKS)]
    pattern = "%H:%M:%S" if span < 3600 else "%m-%d %H:%M"  # noqa: PLR2004 - an hour
    ticks = tuple((place(step), step.strftime(pattern)) for step in steps)
    height = LANE_HEIGHT * (len(lanes) + 1.5)
    return Timeline(lanes, ticks, height, max(len(groups) - MAX_LANES, 0))


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _end(run: RunState, now: datetime) -> datetime:
    return _time(run.ended_at) or now
