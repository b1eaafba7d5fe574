"""The protobuf messages of the formats, from a descriptor set of our own.

Only parsers import it; messages stop at the module that parses them.

``descriptors.binpb`` is compiled from ``protos/*.proto`` by ``protos/build.py``. It goes into a
private pool, under file paths and a package of our own, without generated code: neither a second
copy of TensorFlow's messages in the process nor an old protobuf runtime can make an import fail.
"""

from __future__ import annotations

import pkgutil
import re
from functools import cache
from typing import Any

from tfckpt_reader.encoding.wire_format import fields
from tfckpt_reader.errors import CorruptCheckpointError, ErrorKind, UnsupportedError

_LEAKED = (ValueError, RecursionError, IndexError, TypeError)
"""Errors of protobuf's pure-Python form for bad bytes, besides its DecodeError."""
_LONG_LINE = 1000
"""Letters of a line. protobuf copies the whole line at nearly each token."""
_UNBROKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|\'(?:[^\'\\]|\\.)*\'?|#.*|[,;{}<>\[\]\s]')
"""Strings, ended or not, comments, and the letters after which a line can be broken."""


@cache
def _pool() -> Any:
    from google.protobuf.descriptor_pool import DescriptorPool

    pool = DescriptorPool()
    data = pkgutil.get_data(__name__, "descriptors.binpb")
    # A FileDescriptorSet is its files, each as field 1.
    for _, _, descriptor in fields(memoryview(data or b"")):
        pool.AddSerializedFile(bytes(descriptor))
    return pool


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, by its name in protos/."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(f"tfckpt_reader.{name}"))


def parse(name: str, data: bytes | memoryview, kind: ErrorKind | None = None) -> Any:
    """Decode one message.

    Args:
        name: The message.
        data: Its bytes.
        kind: Kind of the error for other bytes.

    Raises:
        CorruptCheckpointError: the bytes are no such message.
        UnsupportedError: out of memory; protobuf 4 raises the same error as for bad bytes.
    """
    try:
        return message_class(name).FromString(bytes(data))
    except Exception as error:
        is_decode_error = type(error).__name__ == "DecodeError"
        if is_decode_error and "alloc failed" in str(error):
            problem = "the message needs more memory than this machine has"
            raise UnsupportedError(problem, structure=name) from error
        if is_decode_error or isinstance(error, _LEAKED):
            problem = "the bytes are not the protobuf message that belongs here"
            raise CorruptCheckpointError(problem, kind=kind, structure=name) from error
        raise


def _broken(line: str) -> str:
    """Return a line of a text form in lines, for a parser with a cost of tokens times letters."""
    return _UNBROKEN.sub(lambda match: match[0] + "\n", line)


def parse_text(name: str, text: bytes, *, skip_unknown: bool = False) -> Any:
    """Decode one message in protobuf's text format; the last of a repeated singular field counts.

    Args:
        name: The message.
        text: Its text, UTF-8.
        skip_unknown: Ignore fields absent from the message's definition.

    Raises:
        CorruptCheckpointError: the text is no such message.
    """
    from google.protobuf import text_format

    try:
        lines = text.decode("utf-8").split("\n")
        return text_format.Merge(
            "\n".join([_broken(line) if len(line) > _LONG_LINE else line for line in lines]),
            message_class(name)(),
            allow_unknown_field=skip_unknown,
            allow_unknown_extension=skip_unknown,
        )
    except (text_format.ParseError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if len(reason) > _LONG_LINE:  # it quotes the line, and ends with the problem
            reason = f"{reason[:100]} … {reason[-200:]}"
        raise CorruptCheckpointError(f"this is no valid {name} in text form: {reason}") from error


def format_text(name: str, **fields: Any) -> str:
    """Return one message in protobuf's text format, ASCII: a line per field, in their order.

    Args:
        name: The message.
        fields: Value of each field; a default value is not written.
    """
    from google.protobuf import text_format

    message = message_class(name)(**fields)
    return str(text_format.MessageToString(message))
