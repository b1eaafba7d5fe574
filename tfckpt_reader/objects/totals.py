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

NAMES, ALL = "names", "all"
_PLURALS: dict[str, str] = {
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


def bytes_by_role(specs: Iterable[TensorSpec], roles: Mapping[str, Role]) -> dict[str, int]:
    """Return the bytes of the tensors of each kind, the kinds in their own order."""
    found: dict[str, int] = {}
    for spec in specs:
        kind = roles[spec.name].kind
        found[kind] = found.get(kind, 0) + (spec.nbytes or 0)
    return {str(kind): found[kind] for kind in Kind if kind in found}


def shares_text(nbytes: Mapping[str, int], evidence: str) -> str:
    """Return "weights 33 %, optimizer slots 67 % (by names)": shares of all bytes, largest first.

    Args:
        nbytes: Role -> bytes.
        evidence: The strongest evidence that was looked at: "names", or "all" kinds.
    """
    total = sum(nbytes.values())
    ordered = sorted(nbytes.items(), key=lambda each: -each[1])
    shares = ", ".join(f"{_PLURALS.get(kind, kind)} {_percent(n, total)}" for kind, n in ordered)
    return f"{shares} (by names)" if shares and evidence == NAMES else shares


def _percent(part: int, total: int) -> str:
    if not total:
        return "0 %"
    percent = round(100 * part / total)
    return f"{percent} %" if percent or not part else "<1 %"
