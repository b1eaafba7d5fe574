"""Tensors by the components of their names: scopes, with their totals.

Knows names, sizes and roles only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfckpt_reader.objects.role_patterns import Kind

if TYPE_CHECKING:
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.spec import TensorSpec


@dataclass(slots=True)
class Scope:
    """All tensors whose names begin with the same components."""

    name: str
    """The last component; "" for all tensors."""
    tensors: int = 0
    parameters: int = 0
    """Elements of its weights."""
    nbytes: int = 0
    own: TensorSpec | None = None
    """The tensor that has exactly this name."""
    scopes: dict[str, Scope] = field(default_factory=dict)

    def lines(self) -> Iterator[tuple[int, Scope]]:
        """Yield each scope below this one with its level, parents before children."""
        waiting = [(0, scope) for scope in reversed(self.scopes.values())]
        while waiting:
            level, scope = waiting.pop()
            yield level, scope
            waiting += [(level + 1, each) for each in reversed(scope.scopes.values())]


def scopes_of(
    specs: Iterable[TensorSpec], names: Mapping[str, str], roles: Mapping[str, Role], depth: int
) -> Scope:
    """Return the scope of all tensors.

    Args:
        specs: The tensors.
        names: Key -> name.
        roles: Key -> role.
        depth: Levels of scopes; tensors below count in the last.
    """
    root = Scope("")
    for spec in specs:
        parameters = spec.elements if roles[spec.name].kind is Kind.WEIGHT else 0
        scope = root
        parts = names[spec.name].split("/", depth)
        for part in (None, *parts[:depth]):
            if part is not None:
                scope = scope.scopes.setdefault(part, Scope(part))
            scope.tensors += 1
            scope.parameters += parameters
            scope.nbytes += spec.nbytes or 0
        if len(parts) <= depth:
            scope.own = spec
    return root
