"""Choosing tensors: by patterns of names and by roles, and moving averages in place of weights.

Knows no file. What is left out is counted: no weight goes missing unsaid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tfckpt_reader.objects.role_patterns import Kind
from tfckpt_reader.tensor.names import select
from tfckpt_reader.text import count_of, shortened

if TYPE_CHECKING:
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.spec import TensorSpec

GROUPS: dict[str, frozenset[Kind]] = {
    "weights": frozenset({Kind.WEIGHT, Kind.STATISTICS}),
    "optimizer": frozenset({Kind.SLOT, Kind.OPTIMIZER}),
    "averages": frozenset({Kind.AVERAGE}),
    "statistics": frozenset({Kind.STATISTICS}),
    "steps": frozenset({Kind.STEP}),
    "metrics": frozenset({Kind.METRIC}),
    "random": frozenset({Kind.RNG}),
    "tables": frozenset({Kind.TABLE}),
    "copies": frozenset({Kind.COPY}),
    "other": frozenset({Kind.OTHER}),
}
"""Words for roles, as options take them. Statistics of batch norm are weights, too."""


def words(roles: str | Sequence[str]) -> Sequence[str]:
    """Return roles given as one word or as several.

    Raises:
        ValueError: a word is not in `GROUPS`.
    """
    given = (roles,) if isinstance(roles, str) else roles
    for word in given:
        if word not in GROUPS:
            raise ValueError(f"roles are {', '.join(GROUPS)}, not {word!r}")
    return given


class Selected(NamedTuple):
    """The result of a selection."""

    sources: dict[str, str]
    """Key of a tensor -> key of its values: the same, or that of its moving average."""
    lost: tuple[str, ...] = ()
    """Names of weights left out, except those left out by exact names."""
    weights: int = 0
    """Number of weights in the checkpoint."""
    has_weights: bool = True
    """Whether a weight is left, or the checkpoint has none."""
    notes: tuple[str, ...] = ()
    """Tensors of unknown role left out, averages taken, patterns without a match."""

    @property
    def loss(self) -> str:
        """Return a line about the weights left out; "" if there are none."""
        if not self.lost:
            return ""
        left_out = f"{len(self.lost):,} of {count_of(self.weights, 'weight')} left out"
        return f"{left_out}: {_list(self.lost)}"


class Selection(NamedTuple):
    """A choice of tensors.

    Attributes:
        include: Patterns as for `tensor.names.select`; only matching tensors. Default: all.
        exclude: The same; no matching tensor.
        only: Words of `GROUPS` (see `words`); only tensors of these roles. Default: all.
        without: The same; no tensor of these roles.
        ema: Take the values of each weight from its moving average, if it has one.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    ema: bool = False

    @property
    def by_role(self) -> bool:
        """Whether roles count."""
        return bool(self.only or self.without or self.ema)

    def apply(
        self,
        specs: Mapping[str, TensorSpec],
        roles: Callable[[], Mapping[str, Role]],
        names: Mapping[str, str] | None = None,
    ) -> Selected:
        """Choose among the tensors of a checkpoint.

        Args:
            specs: Its tensors.
            roles: Returns their roles; called only if they count.
            names: Key -> name that patterns are compared with. Default: the key.
        """
        names = names or {key: key for key in specs}
        chosen = set(select(names.values(), self.include, self.exclude))
        patterns = (*self.include, *self.exclude)
        notes = [
            f"no tensor matches {each!r}" for each in patterns if not select(names.values(), [each])
        ]
        keys = [key for key in specs if names[key] in chosen]
        if not (self.by_role or patterns):
            return Selected({key: key for key in keys})
        known = roles()
        kept = [key for key in keys if self._has_role(known[key])]
        dropped = set(keys).difference(kept)
        others = [names[key] for key in keys if key in dropped and known[key].kind is Kind.OTHER]
        notes += [f"{_count(others)} of unknown role left out: {_list(others)}"] if others else []
        sources = {key: key for key in kept}
        if self.ema:
            sources, note = _averaged(specs, known, sources)
            notes.append(note)
        weights = [key for key in specs if known[key].kind is Kind.WEIGHT]
        exact = bool(self.include) and set(self.include) <= set(names.values())
        return Selected(
            sources,
            tuple(
                names[key]
                for key in weights
                if key not in sources and not self._names(names[key], exact=exact)
            ),
            len(weights),
            not weights or any(key in sources for key in weights),
            tuple(notes),
        )

    def _names(self, name: str, *, exact: bool) -> bool:
        """Return whether a tensor is left out by exact names: by its own, or by those of others.

        Args:
            name: Its name.
            exact: Whether all that is included are names.
        """
        return name in self.exclude or (exact and name not in self.include)

    def _has_role(self, role: Role) -> bool:
        return (not self.only or _is_in(role, self.only)) and not _is_in(role, self.without)


def _is_in(role: Role, words: Sequence[str]) -> bool:
    if "optimizer" in words and role.of_optimizer and role.kind is not Kind.AVERAGE:
        return True
    return any(role.kind in GROUPS[word] for word in words)


def _count(names: Collection[str]) -> str:
    return count_of(len(names), "tensor")


def _list(names: Iterable[str]) -> str:
    return shortened(", ".join(names))


def averages(specs: Mapping[str, TensorSpec], roles: Mapping[str, Role]) -> dict[str, str]:
    """Return key of a weight -> key of its moving average.

    An average of another dtype or shape is none. Of several, the first counts.
    """
    found: dict[str, str] = {}
    for key, role in roles.items():
        of = role.of if role.kind is Kind.AVERAGE else None
        if of is not None and _same_form(specs[of], specs[key]):
            found.setdefault(of, key)
    return found


def _averaged(
    specs: Mapping[str, TensorSpec], roles: Mapping[str, Role], sources: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """Return the tensors with each weight's values from its average, and a note about them."""
    found = {of: key for of, key in averages(specs, roles).items() if of in sources}
    used = set(found.values())
    kept = {key: found.get(key, key) for key in sources if key not in used}
    without = sum(roles[key].kind is Kind.WEIGHT for key in kept if key not in found)
    note = f"{_count(found)} taken from moving averages"
    return kept, note + (f", {count_of(without, 'weight')} without one" if without else "")


def _same_form(one: TensorSpec, other: TensorSpec) -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape)
