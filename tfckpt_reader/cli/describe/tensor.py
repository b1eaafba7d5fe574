"""One tensor of a checkpoint, without its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.notation import shape_text
from tfckpt_reader.objects.names import TensorNames
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.objects.roles import by_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.spec import TensorSpec


def tensor_facts(spec: TensorSpec) -> dict[str, Any]:
    """Return the dtype, shape, size and location of a tensor."""
    facts: dict[str, Any] = {
        "name": spec.name,
        "dtype": str(spec.dtype),
        "shape": list(spec.shape),
        "bytes": spec.nbytes,
        "shard": spec.shard,
        "offset": spec.offset,
        "crc32c": spec.crc32c,
    }
    if spec.slices:
        facts["slices"] = [
            {
                "start": list(each.start),
                "shape": list(each.shape),
                "shard": each.shard,
                "offset": each.offset,
                "bytes": each.nbytes,
            }
            for each in spec.slices
        ]
    return facts


def role_facts(role: Role) -> dict[str, Any]:
    """Return the role of a tensor."""
    facts: dict[str, Any] = {"kind": str(role.kind), "of": role.of}
    return {**facts, "slot": role.slot or None, "evidence": role.evidence}


def role_text(role: Role) -> str:
    """Return "optimizer slot m"."""
    return f"{role.kind} {role.slot}".rstrip()


def meaning_facts(ckpt: Checkpoint, spec: TensorSpec) -> dict[str, Any]:
    """Return the number of elements of a tensor, its other names, and its role.

    Without an object graph the role is by names: the graph beside the checkpoint is not read.
    """
    roles: Mapping[str, Role] = by_names(ckpt.specs)
    names = TensorNames(spec.name, spec.name, ())
    if OBJECT_GRAPH in ckpt.specs:
        roles = ckpt.roles
        (names,) = (each for each in ckpt.find(spec.name) if each.key == spec.name)
    return {
        "elements": spec.elements,
        "full_name": names.full_name or None,
        "object_paths": list(names.object_paths),
        "role": role_facts(roles[spec.name]),
    }


def meaning_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return a line per fact of `meaning_facts`."""
    role = facts["role"]
    of = f" of {role['of']}" if role["of"] else ""
    kind = f"{role['kind']} {role['slot'] or ''}".rstrip()
    names = [("object", path) for path in facts["object_paths"]]
    if names and facts["full_name"]:  # else it is the key
        names.append(("full", facts["full_name"]))
    return [
        f"count   {facts['elements']:,}",
        f"role    {kind}{of} (by {role['evidence']})",
        *(f"{label:<7} {name}" for label, name in names),
    ]


def tensor_lines(spec: TensorSpec) -> list[str]:
    """Return a line per fact, a line per slice."""
    lines = [
        f"name    {spec.name}",
        f"dtype   {spec.dtype}",
        f"shape   {shape_text(spec.shape)}",
        f"bytes   {'?' if spec.nbytes is None else f'{spec.nbytes:,}'}",
    ]
    if spec.offset is not None:
        lines.append(f"stored  shard {spec.shard}, offset {spec.offset:,}, crc {spec.crc32c:#010x}")
    return lines + [
        f"slice   {each}" + ("" if each.shard is None else f" in shard {each.shard}")
        for each in spec.slices
    ]
