"""Totals over tensors: bytes by role, and numbers in weights.

Knows specs and roles only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tfckpt_reader.objects.role_patterns import Kind

if TYPE_CHECKING:
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.spec import TensorSpec

_PLURALS = {
    Kind.WEIGHT: "weights",
    Kind.AVERAGE: "moving averages",
    Kind.SLOT: "optimizer slots",
    Kind.STEP: "counters",
    Kind.METRIC: "metrics",
    Kind.TABLE: "lookup tables",
    Kind.COPY: "copies",
}


def parameters(specs: Iterable[TensorSpec], roles: Mapping[str, Role]) -> int:
    """Return the number of elements of the weights."""
    return sum(spec.elements for spec in specs if roles[spec.name].kind is Kind.WEIGHT)


def bytes_by_kind(specs: Iterable[TensorSpec], roles: Mapping[str, Role]) -> dict[Kind, int]:
    """Return the bytes of each kind of tensor, the kinds in their own order."""
    found = dict.fromkeys(Kind, 0)
    seen = set()
    for spec in specs:
        kind = roles[spec.name].kind
        seen.add(kind)
        found[kind] += spec.nbytes or 0
    return {kind: nbytes for kind, nbytes in found.items() if kind in seen}


def shares_text(nbytes: Mapping[Kind, int]) -> str:
    """Return "weights 33 %, optimizer slots 67 %"; shares of all bytes, the largest first."""
    total = sum(nbytes.values())
    ordered = sorted(nbytes.items(), key=lambda each: -each[1])
    return ", ".join(
        f"{_PLURALS.get(kind, kind)} {_percent(part, total)}" for kind, part in ordered
    )


def _percent(part: int, total: int) -> str:
    if not total:
        return "0 %"
    percent = round(100 * part / total)
    return f"{percent} %" if percent or not part else "<1 %"
