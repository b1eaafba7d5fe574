"""Answers about files, remembered inside a block: nothing is asked twice there.

Independent of the questions.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_answers: ContextVar[dict[tuple[str, str], Any] | None] = ContextVar("answers", default=None)


def answers() -> dict[tuple[str, str], Any] | None:
    """Return the answers so far, by question and path; None outside of a block."""
    return _answers.get()


@contextmanager
def asked_once() -> Iterator[None]:
    """Ask nothing a second time inside the block; an outer block counts."""
    token = None if _answers.get() is not None else _answers.set({})
    try:
        yield
    finally:
        if token is not None:
            _answers.reset(token)


@contextmanager
def asked_anew() -> Iterator[None]:
    """Forget all answers inside the block, and remember those given there until its end."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)
