"""Compare what TensorFlow and this package make of each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hostile import CASES
from hostile.case import Case, Fails


@dataclass(frozen=True)
class Outcome:
    """A case as TensorFlow reads it, and where that and ours cannot both stand."""

    case: Case
    tensorflow: str
    ours: str
    wrong: list[str]


def compared(folder: Path) -> list[Outcome]:
    """Hand every case to TensorFlow in a process of its own."""
    import signal

    import tf_oracle

    class Oracle(tf_oracle.TensorFlow):
        """One that says by which signal it died."""

        def _bury(self) -> tf_oracle.Refusal:
            self._process.join(60)
            code = self._process.exitcode
            died = super()._bury()
            name = signal.Signals(-code).name if code and code < 0 else f"exit {code}"
            return tf_oracle.Refusal(name, died.text)

    with Oracle() as oracle:
        return [_compared(case, str(case.write(folder / case.name)), oracle) for case in CASES]


def _compared(case: Case, path: str, oracle: Any) -> Outcome:  # noqa: C901
    from tf_oracle import Refusal, value_of

    if case.waits:
        return Outcome(case, "waits for ever", _ours(case), [])
    listing = oracle.listing(path)
    if isinstance(listing, Refusal):
        return Outcome(case, _short(listing), _ours(case), [])
    said, wrong = [], []
    for key, (dtype, _) in listing.items():
        name = key.decode("utf-8", "surrogateescape")
        got = oracle.get(path, key)
        if isinstance(got, Refusal):
            restored = oracle.restore(path, key, dtype)
            got = got if isinstance(restored, Refusal) else restored
        if isinstance(got, Refusal):
            said.append(f"{_named(name)}: {_short(got)}")
            continue
        expected = case.values.get(name)
        if callable(expected) or case.stricter:
            continue
        if expected is None or isinstance(expected, Fails):
            wrong.append(f"TensorFlow reads {name!r}, we do not")
        elif value_of(np.asarray(expected)) != got:
            wrong.append(f"{name!r} is another array in TensorFlow: {got}"[:300])
    missing = [
        _named(name)
        for name, v in case.values.items()
        if name.encode("utf-8", "surrogateescape") not in listing
    ]
    if not listing:
        said.append("lists nothing")
    elif missing:
        said.append(f"does not list {', '.join(missing)}")
    return Outcome(case, "; ".join(said) or "reads", _ours(case), wrong)


def _named(name: str) -> str:
    return name if name.isprintable() and len(name) < 12 else "a long or odd name"


def _short(refusal: Any) -> str:
    """The kind of a refusal and the beginning of its text."""
    text = " ".join(str(refusal).split())
    return text if len(text) < 110 else text[:107] + "..."


def _ours(case: Case) -> str:
    for what, fails in (("open", case.opening), ("list", case.listing)):
        if fails:
            return f"{what}: {fails.kind.__name__} {fails.says}".strip()
    failing = {name: value for name, value in case.values.items() if isinstance(value, Fails)}
    said = [
        f"{_named(name)}: {fails.kind.__name__} {fails.says}" for name, fails in failing.items()
    ]
    if len({(fails.kind, fails.says) for fails in failing.values()}) == 1 and len(said) > 1:
        said = ["all" + said[0][said[0].index(":") :]] if len(said) == len(case.values) else said
    return "; ".join(said) or "reads"


def as_table(outcomes: Sequence[Outcome]) -> str:
    """A row per case: group, name, what is changed, TensorFlow, this package."""
    rows = [("", "case", "change", "TensorFlow", "tfckpt_reader")]
    rows += [
        (str(o.case.group), o.case.name, o.case.change, o.tensorflow, o.ours) for o in outcomes
    ]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows
    )
