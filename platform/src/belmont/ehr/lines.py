"""Lines of a text file that may be compressed, cut off, binary, or not made of lines at all.

What makes the whole file unusable raises at once: a stream that ends early, bytes that are no UTF-8, a line beyond
MAX_LINE_BYTES. Lines come as bytes, each with its number from 1 and whether it ended in a newline.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from belmont.ehr.errors import InputMissing, InputNotText, InputTruncated, LineTooLong

MAX_LINE_BYTES = 1 << 20
_PROGRESS_EVERY_LINES = 2000

Progress = Callable[[int], None]
"""Called with the bytes of the file (as stored) that were read since the last call."""


def numbered_lines(path: Path, progress: Progress | None = None) -> Iterator[tuple[int, str, bool]]:
    """(number, text without its newline, whether it had one) for every line that is not blank.

    Raises InputMissing, InputTruncated, InputNotText or LineTooLong, naming file and line.
    """
    try:
        with path.open("rb") as raw:
            compressed = path.suffix == ".gz"
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if compressed else raw
            number, told = 0, 0
            while line := _next_line(stream, path, number + 1):
                number += 1
                ended = line.endswith(b"\n")
                text = _text(line.rstrip(b"\r\n"), path, number)
                if progress is not None and number % _PROGRESS_EVERY_LINES == 0:
                    here = raw.tell()
                    progress(here - told)
                    told = here
                if text and not text.isspace():
                    yield number, text, ended
            if progress is not None:
                progress(raw.tell() - told)
    except OSError as error:
        raise InputMissing(path, None, f"cannot be read: {error.strerror or error}") from error


def _next_line(stream: IO[bytes], path: Path, number: int) -> bytes:
    try:
        line = stream.readline(MAX_LINE_BYTES + 1)
    except EOFError as error:
        reason = "the compressed stream ends too early; export the file again"
        raise InputTruncated(path, number, reason) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputNotText(path, number, f"damaged compressed stream ({error})") from error
    if len(line) > MAX_LINE_BYTES:
        raise LineTooLong(path, number, f"a line of more than {MAX_LINE_BYTES} bytes; is there one record a line?")
    return line


def _text(line: bytes, path: Path, number: int) -> str:
    if b"\x00" in line:
        raise InputNotText(path, number, "binary bytes; the file has to be UTF-8 text")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputNotText(path, number, f"not UTF-8 at byte {error.start + 1}; convert the file") from error
