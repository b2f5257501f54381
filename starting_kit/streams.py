"""What a solution prints, collected."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


class Printed(io.TextIOWrapper):
    """A text stream in memory, which stays open whoever closes it."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)

    def close(self) -> None:
        """Stay open: a solution may close `sys.stdout`, and not only it prints there."""

    @property
    def text(self) -> str:
        """All that was printed."""
        self.flush()
        bytes_: io.BytesIO = self.buffer  # type: ignore[assignment]  # as it was made
        return bytes_.getvalue().decode("utf-8", errors="replace")


@contextmanager
def printed() -> Iterator[Printed]:
    """Collect what is printed to standard output and standard error."""
    stream = Printed()
    with redirect_stdout(stream), redirect_stderr(stream):
        yield stream
