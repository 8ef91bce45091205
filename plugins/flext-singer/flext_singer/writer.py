"""The tap's output: Singer messages as bytes, buffered between STATEs."""

from __future__ import annotations

import sys

from singer_sdk.singerlib.encoding.base import GenericSingerWriter, SingerMessageType
from singer_sdk.singerlib.encoding.simple import Message

from flext_singer.encoding import message_line
from flext_singer.failpoints import reach

LIMIT_BYTES = 256 * 1024


def write_out(data: bytes | bytearray) -> None:
    """Write bytes to the stdout of the moment (tests swap it) and flush it."""
    stream = sys.stdout
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(data.decode())
    else:
        stream.flush()
        binary.write(data)
    stream.flush()


class BufferedWriter(GenericSingerWriter[bytearray, Message]):
    """Writes messages as JSON lines.

    RECORDs wait in `buffer` until it holds `LIMIT_BYTES` or another message
    follows. Whoever writes RECORDs calls `flush` when they are through.
    """

    def __init__(self) -> None:
        super().__init__()
        self.buffer = bytearray()

    def serialize_message(self, message: Message) -> bytearray:
        """Return the message as one JSON line."""
        return message_line(message.to_dict())

    def write_message(self, message: Message) -> None:
        """Write one message; anything but a RECORD goes out at once."""
        self.buffer += self.serialize_message(message)
        kind = message.type
        if kind == SingerMessageType.RECORD:
            if len(self.buffer) >= LIMIT_BYTES:
                self.flush()
            reach("tap.mid_records", self.flush)
            return
        self.flush()
        if kind == SingerMessageType.SCHEMA:
            reach("tap.after_schema")
        elif kind == SingerMessageType.STATE:
            reach("tap.after_state")

    def flush_if_full(self) -> None:
        """Write out once enough has come together; for who fills `buffer`."""
        if len(self.buffer) >= LIMIT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write out what waits in the buffer."""
        if self.buffer:
            try:
                write_out(self.buffer)
            finally:
                # Also after a broken pipe: nothing is written twice.
                del self.buffer[:]
