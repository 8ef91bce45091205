"""From blocks to the records of a stream, by the tap's settings.

Shared by the tap and its worker processes, hence free of the Singer SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from flext_ldif.blocks import MAX_ENTRY_BYTES, Block
from flext_ldif.dialects import DIALECTS, Leniency
from flext_ldif.entries import Refusal
from flext_ldif.file_urls import file_urls, refuse_urls
from flext_ldif.reader import BlockParser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_ldif.record_shapes import Shape

Found: TypeAlias = dict[str, Any] | msgspec.Raw | Refusal


def leniencies_of(config: Mapping[str, Any]) -> frozenset[Leniency]:
    """Return what to read around, by the tap's settings."""
    if config.get("strict_parsing"):
        return DIALECTS["rfc2849"]
    return DIALECTS[config.get("dialect") or "tolerant"]


def parser_of(
    config: Mapping[str, Any], *, may_have_version: bool = True
) -> BlockParser:
    """Return a parser, by the tap's settings."""
    base = config.get("url_base_dir")
    return BlockParser(
        leniencies_of(config),
        file_urls(base) if base else refuse_urls,
        may_have_version=may_have_version,
    )


def shaped(
    parser: BlockParser, block: Block, shape: Shape
) -> Iterator[dict[str, Any] | Refusal]:
    """Yield what a block holds for a stream: records, and what is refused."""
    for one in parser.parse(block):
        if isinstance(one, Refusal):
            yield one
        elif (record := shape.record(one)) is not None:
            yield record


def max_entry_bytes(config: Mapping[str, Any]) -> int:
    """Return how long a record may be, by the tap's settings."""
    return int(config.get("max_entry_bytes") or MAX_ENTRY_BYTES)


def may_hold_change(data: bytes) -> bool:
    """Whether a block may hold change records: whether it is worth parsing."""
    plain = data.replace(b"\r", b"").replace(b"\n ", b"").lower()
    return b"\nchangetype:" in plain or b"\ncontrol:" in plain
