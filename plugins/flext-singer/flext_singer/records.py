"""`RawRecords`: records as they came, one JSON object each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_singer.messages import decode_plain

if TYPE_CHECKING:
    from collections.abc import Iterator


class RawRecords:
    """Records of one stream that wait to be loaded, in the order they came.

    Attributes:
        raw: One JSON object per record, UTF-8.
        extracted_at: `time_extracted` of each, ISO 8601, or None.
        versions: `version` of each, or None.
        size_bytes: Bytes of input they took.
    """

    __slots__ = ("extracted_at", "raw", "size_bytes", "versions")

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.extracted_at: list[str | None] = []
        self.versions: list[int | None] = []
        self.size_bytes = 0

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.raw)

    def add(
        self, raw: bytes, extracted_at: str | None = None, version: int | None = None
    ) -> None:
        """Add one record.

        Args:
            raw: Its JSON object.
            extracted_at: ISO 8601.
            version: Version of the full table it belongs to.
        """
        self.raw.append(raw)
        self.extracted_at.append(extracted_at)
        self.versions.append(version)
        self.size_bytes += len(raw)

    def add_all(
        self,
        raw: list[bytes],
        extracted_at: list[str | None],
        versions: list[int | None],
    ) -> None:
        """Add records; see `add`."""
        self.raw += raw
        self.extracted_at += extracted_at
        self.versions += versions
        self.size_bytes += sum(map(len, raw))

    def dicts(self) -> Iterator[dict[str, Any]]:
        """Yield each record decoded; numbers with a fraction become Decimals."""
        return map(decode_plain, self.raw)

    def slices(self, size: int) -> Iterator[RawRecords]:
        """Yield the records in pieces of at most `size`."""
        for start in range(0, len(self.raw), size):
            piece = RawRecords()
            piece.raw = self.raw[start : start + size]
            piece.extracted_at = self.extracted_at[start : start + size]
            piece.versions = self.versions[start : start + size]
            piece.size_bytes = sum(map(len, piece.raw))
            yield piece
