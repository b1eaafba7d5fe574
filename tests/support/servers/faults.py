"""Ways to spoil the answers of a server, each with what must come of it.

A fault spoils answers with a body, to GET, of files of a checkpoint; `everywhere` spoils each.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from servers.loopback import Answer, Fault, Request

RIGHT, EITHER, REFUSED = "right arrays", "right arrays or an error", "an error"
PAGE = b"<!DOCTYPE html>\n<html><body>Sorry, the page you look for is not here.</body></html>\n"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
Spoil: TypeAlias = Callable[[Answer], Answer]


@dataclass(frozen=True)
class Case:
    """A fault, and whether its result must be right, or may be an error."""

    fault: Fault
    result: str


def _spoilt(spoil: Spoil, first: int = 0, last: int = 1 << 30) -> Fault:
    """Return a fault of GETs: of the requests for one target, those from `first` to `last`."""

    def fault(request: Request, answer: Answer) -> Answer:
        if request.method != "GET" or not answer.body or answer.status not in (200, 206):
            return answer
        return spoil(answer) if first <= request.earlier < last else answer

    return fault


def everywhere(spoil: Spoil) -> Fault:
    """Return a fault of all requests."""
    return lambda _, answer: spoil(answer)


def _headers(answer: Answer, **more: str) -> dict[str, str]:
    """Return the headers of an answer, some of them replaced."""
    added = {name.replace("_", "-").lower() for name in more}
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in added}
    return {**kept, **{name.replace("_", "-"): value for name, value in more.items()}}


def _header(answer: Answer, wanted: str) -> str:
    return next((v for n, v in answer.headers.items() if n.lower() == wanted), "")


def _ranged(answer: Answer, shift: int, cut: int, total: int) -> str:
    """Return the Content-Range of an answer with other numbers in it."""
    found = _RANGE.fullmatch(_header(answer, "content-range"))
    begin, end, size = map(int, found.groups()) if found else (0, len(answer.body) - 1, 0)
    return f"bytes {begin + shift}-{end + shift - cut}/{size + total}"


def _ended(answer: Answer, end: str) -> Answer:
    """Half the body, of which all was promised."""
    length = str(len(answer.body))
    return replace(
        answer,
        headers=_headers(answer, Content_Length=length),
        sent=len(answer.body) // 2,
        end=end,
    )


def _cut(answer: Answer, *, honest: bool) -> Answer:
    """All but one byte; Content-Range says so, or claims all."""
    body = answer.body[:-1]
    headers = _headers(answer, Content_Length=str(len(body)))
    if answer.status == 206:
        headers = _headers(
            replace(answer, headers=headers), Content_Range=_ranged(answer, 0, int(honest), 0)
        )
    return replace(answer, headers=headers, body=body)


def _longer(answer: Answer) -> Answer:
    body = answer.body + b"more"
    return replace(answer, headers=_headers(answer, Content_Length=str(len(body))), body=body)


def _unhonest(answer: Answer, shift: int, total: int) -> Answer:
    if answer.status != 206:
        return answer
    return replace(answer, headers=_headers(answer, Content_Range=_ranged(answer, shift, 0, total)))


def _without(answer: Answer, name: str) -> Answer:
    kept = {n: v for n, v in answer.headers.items() if n.lower() != name}
    return replace(answer, headers=kept)


def _shifted(answer: Answer) -> Answer:
    """Return bytes that begin one later, in an answer that does not admit it."""
    if answer.status != 206:
        return answer
    return replace(answer, body=answer.body[1:] + b"\x5a")


def _zipped(answer: Answer, *, admitted: bool) -> Answer:
    body = gzip.compress(answer.body)
    headers = _headers(answer, Content_Length=str(len(body)))
    headers |= {"Content-Encoding": "gzip"} if admitted else {}
    return replace(answer, headers=headers, body=body)


def _status(_answer: Answer, status: int, **more: str) -> Answer:
    return Answer(status, _headers(Answer(0), **more), b"<Error><Code>Spoilt</Code></Error>")


def _page(_answer: Answer) -> Answer:
    return Answer(200, {"Content-Type": "text/html"}, PAGE)


def _nothing(answer: Answer) -> Answer:
    return replace(answer, headers=_headers(answer, Content_Length="0"), body=b"")


def _chunked(answer: Answer) -> Answer:
    size = b"%x\r\n" % len(answer.body)
    headers = _headers(_without(answer, "content-length"), Transfer_Encoding="chunked")
    return replace(answer, headers=headers, body=size + answer.body + b"\r\n0\r\n\r\n")


def page_for_missing(_request: Request, answer: Answer) -> Answer:
    """Answer for a missing file as a web site does: with a page of HTML, and 200."""
    return _page(answer) if answer.status == 404 else answer


def _redirected(request: Request, answer: Answer) -> Answer:
    """Every request is sent on to itself."""
    return Answer(302, {"Location": request.target})


def _other_tag(request: Request, answer: Answer) -> Answer:
    """Each answer has another ETag than the one before."""
    return replace(answer, headers=_headers(answer, ETag=f'"other-{request.earlier}"'))


def _other_size(request: Request, answer: Answer) -> Answer:
    """From the second request on, the file has seven bytes more; the ETag is the same."""
    return _unhonest(answer, 0, 7 * min(request.earlier, 1))


def _headless(request: Request, answer: Answer) -> Answer:
    return Answer(405) if request.method == "HEAD" else answer


def unlisted(request: Request, answer: Answer) -> Answer:
    """Deny what only credentials for whole buckets get."""
    return _status(answer, 403) if "list-type=2" in request.target else answer


def _wrong_head(request: Request, answer: Answer, more: int) -> Answer:
    if request.method != "HEAD":
        return answer
    size = int(_header(answer, "content-length") or len(answer.body)) + more
    return replace(answer, headers=_headers(answer, Content_Length=str(max(size, 0))))


BRIEF: dict[str, Case] = {
    "body ends early, once": Case(_spoilt(partial(_ended, end="close"), 0, 1), EITHER),
    "reset in the middle, once": Case(_spoilt(partial(_ended, end="reset"), 0, 1), EITHER),
    "503, once": Case(_spoilt(partial(_status, status=503), 0, 1), RIGHT),
    "500, once": Case(_spoilt(partial(_status, status=500), 0, 1), RIGHT),
    "429, once": Case(_spoilt(partial(_status, status=429, Retry_After="0"), 0, 1), EITHER),
    "page, once": Case(_spoilt(_page, 0, 1), EITHER),
}
"""Faults that pass."""
LASTING: dict[str, Case] = {
    "body ends early": Case(_spoilt(partial(_ended, end="close")), REFUSED),
    "reset in the middle": Case(_spoilt(partial(_ended, end="reset")), REFUSED),
    "stalled body": Case(_spoilt(partial(_ended, end="stall")), REFUSED),
    "slow body without end": Case(_spoilt(partial(_ended, end="drip")), REFUSED),
    "one byte fewer, admitted": Case(_spoilt(partial(_cut, honest=True)), REFUSED),
    "one byte fewer, denied": Case(_spoilt(partial(_cut, honest=False)), REFUSED),
    "empty body": Case(_spoilt(_nothing), REFUSED),
    "four bytes more": Case(_spoilt(_longer), EITHER),
    "range said to begin one later": Case(_spoilt(partial(_unhonest, shift=1, total=0)), EITHER),
    "range that begins one later": Case(_spoilt(_shifted), REFUSED),
    "total of the range is wrong": Case(_spoilt(partial(_unhonest, shift=0, total=5)), EITHER),
    "no Content-Range": Case(_spoilt(partial(_without, name="content-range")), EITHER),
    "gzip": Case(_spoilt(partial(_zipped, admitted=True)), EITHER),
    "gzip, not admitted": Case(_spoilt(partial(_zipped, admitted=False)), REFUSED),
    "chunked": Case(_spoilt(_chunked), EITHER),
    "503": Case(_spoilt(partial(_status, status=503)), REFUSED),
    "429": Case(_spoilt(partial(_status, status=429, Retry_After="1")), REFUSED),
    "403": Case(_spoilt(partial(_status, status=403)), REFUSED),
    "404": Case(_spoilt(partial(_status, status=404)), REFUSED),
    "416": Case(_spoilt(partial(_status, status=416)), REFUSED),
    "page of HTML": Case(_spoilt(_page), REFUSED),
    "page of HTML for all": Case(everywhere(_page), REFUSED),
    "503 for all": Case(everywhere(partial(_status, status=503)), REFUSED),
    "403 for all": Case(everywhere(partial(_status, status=403)), REFUSED),
    "401 for all": Case(everywhere(partial(_status, status=401)), REFUSED),
    "redirects without end": Case(_redirected, REFUSED),
    "ETag changes": Case(_other_tag, EITHER),
    "size changes": Case(_other_size, EITHER),
    "no HEAD": Case(_headless, EITHER),
    "HEAD with too large a size": Case(partial(_wrong_head, more=9), EITHER),
    "HEAD with too small a size": Case(partial(_wrong_head, more=-9), EITHER),
}
"""Faults that stay."""
FAULTS = {**BRIEF, **LASTING}
