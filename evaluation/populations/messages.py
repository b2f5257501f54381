"""Messages from a process that may say anything, as far as they have come."""

import os
import struct
import sys
from multiprocessing.connection import Connection

CHUNK = 2**20  # bytes that are read at a time


class Inbox:
    """Messages that come on a connection, in the frame of `multiprocessing`: the length, then the message.

    `Connection.recv_bytes` waits for the end of a message, for ever if a stranger began it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard = bytearray()

    def read(self) -> None:
        """Take what has come by now.

        Raises:
            EOFError: the other end is closed.
            OSError: the connection is broken.
        """
        if sys.platform == "win32":
            message = self._connection.recv_bytes()
            self._heard += struct.pack("!i", len(message)) + message
            return
        part = os.read(self._connection.fileno(), CHUNK)
        if not part:
            raise EOFError
        self._heard += part

    def next(self) -> bytes | None:
        """The first message that has come whole and was not given yet.

        Raises:
            ValueError: what has come is none.
        """
        start, (length,) = 4, struct.unpack("!i", self._heard[:4].ljust(4, b"\0"))
        if length == -1:  # it is longer than 2 GB
            start, (length,) = 12, struct.unpack("!Q", self._heard[4:12].ljust(8, b"\0"))
        if length < 0:
            raise ValueError(length)
        if len(self._heard) < start + length or not length:
            return None
        message = bytes(self._heard[start : start + length])
        del self._heard[: start + length]
        return message
