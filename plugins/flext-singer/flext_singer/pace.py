"""How much a stream takes at a time, and when its next STATE is due."""

from __future__ import annotations

from time import monotonic

from flext_singer.failpoints import failpoints

# Past 128 KiB malloc maps and unmaps memory for each chunk, which costs more than
# the encoding (benchmarks/record_path.py: 1.5 times with chunks of 256 KiB).
MAX_CHUNK_RECORDS = 256
MAX_CHUNK_BYTES = 64 * 1024
SLOW_CHUNK_SECONDS = 1.0
STATE_INTERVAL_SECONDS = 30.0


class Pace:
    """Decides how many records the next chunk holds and when STATE is due.

    Args:
        records_per_state: A STATE is due after this many records; None leaves it
            to the time alone.
    """

    def __init__(self, records_per_state: int | None) -> None:
        self._per_state = records_per_state
        self._size = 16
        self._since_state = 0
        self._state_at = self._started = monotonic()
        self.is_slow = False
        self.room: int | None = None
        """Most records that the next chunk may hold, if something limits it."""

    def next_size(self) -> int:
        """Return how many records to take; starts the clock of the chunk."""
        self._started = monotonic()
        if failpoints.is_active:
            return 1
        room = self.room
        if self._per_state is not None:
            room = self._per_state - self._since_state
        return self._size if room is None else max(1, min(self._size, room))

    def after(self, records: int, size_bytes: int) -> bool:
        """Note what a chunk was like; return whether a STATE is due.

        Args:
            records: Records in it.
            size_bytes: What they took, encoded.
        """
        now = monotonic()
        # A slow source must not hold records back in a half-full chunk.
        self.is_slow = now - self._started > SLOW_CHUNK_SECONDS
        if self.is_slow or size_bytes > MAX_CHUNK_BYTES:
            self._size = max(1, self._size // 2)
        elif records >= self._size and 2 * size_bytes <= MAX_CHUNK_BYTES:
            self._size = min(self._size * 2, MAX_CHUNK_RECORDS)
        self._since_state += records
        due = now - self._state_at >= STATE_INTERVAL_SECONDS or (
            self._per_state is not None and self._since_state >= self._per_state
        )
        if due:
            self._since_state, self._state_at = 0, now
        return due
