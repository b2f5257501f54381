"""What a solution prints, collected."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

MOST = 1_000_000  # bytes that are kept of what is printed, the last ones


class _Tail(io.BytesIO):
    """Keeps the end of what is written to it, so that a solution that prints for ever takes no memory."""

    def write(self, data: Any, /) -> int:
        written = super().write(data)
        if self.tell() > 2 * MOST:
            kept = self.getvalue()[-MOST:]
            self.seek(0)
            self.truncate()
            super().write(kept)
        return written


class Printed(io.TextIOWrapper):
    """A text stream in memory, which stays open whoever closes it."""

    def __init__(self) -> None:
        super().__init__(_Tail(), encoding="utf-8", errors="replace", write_through=True)

    def close(self) -> None:
        """Stay open: a solution may close `sys.stdout`, and not only it prints there."""

    @property
    def text(self) -> str:
        """What was printed, its end where that was much."""
        self.flush()
        bytes_: io.BytesIO = self.buffer  # type: ignore[assignment]  # as it was made
        return bytes_.getvalue().decode("utf-8", errors="replace")


@contextmanager
def printed() -> Iterator[Printed]:
    """Collect what is printed to standard output and standard error."""
    stream = Printed()
    with redirect_stdout(stream), redirect_stderr(stream):
        yield stream
