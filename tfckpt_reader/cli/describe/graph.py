"""Graphs as facts, which become JSON, and as lines; one operation is in operation.py.

Prints nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.graph.decode.attributes import FunctionCall
from tfckpt_reader.paths.retention import kept_checkpoints
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tfckpt_reader.graph.meta_graph import MetaGraph
    from tfckpt_reader.graph.variables import Variable
    from tfckpt_reader.tensor.proto_fields import PartialShape

FIRST = 8
"""Values of a constant that are shown."""
_MOST_NAMES = 5
_MOST_OPS = 12
_MOST_PROBLEMS = 20


def shape_text(shape: PartialShape | list[int | None]) -> str:
    """Return "[?, 200]"; "scalar" for rank 0, "?" where the rank is not known."""
    if shape is None:
        return "?"
    if not shape:
        return "scalar"
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def known(value: object) -> str:
    """Return a value as text; "?" for one that is not known."""
    return "?" if value is None else str(value)


def sizes(shape: PartialShape) -> list[int | None] | None:
    """Return a shape as JSON has it."""
    return None if shape is None else list(shape)


def plain(value: Any) -> Any:
    """Return the value of an attribute as JSON has it; of arrays the first few values."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    for kind, turn in _PLAIN:
        if isinstance(value, kind):
            return turn(value)
    first = [plain(each) for each in value.flat[:FIRST].tolist()]
    dtype = "string" if value.dtype == object else str(value.dtype)
    return {"dtype": dtype, "shape": list(value.shape), "first": first}


_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (bytes, lambda value: value.decode("utf-8", "backslashreplace")),
    (DataType, str),  # before int, which it is, too
    (FunctionCall, lambda value: {"function": value.name}),
    (float, lambda value: value if value - value == 0 else str(value)),  # JSON has no NaN
    (complex, str),
    (type(None), lambda value: value),
    (int, lambda value: value),
    (str, lambda value: value),
)


def summary_facts(graph: MetaGraph) -> dict[str, Any]:
    """Return what there is in a graph, and how much of it."""
    saver = None if graph.saver is None else asdict(graph.saver)
    return {
        "tensorflow_version": graph.tensorflow_version,
        "tensorflow_git_version": graph.tensorflow_git_version,
        "producer": graph.producer,
        "tags": sorted(graph.tags),
        "nodes": len(graph),
        "ops": graph.op_counts,
        "undefined_ops": sorted(set(graph.op_counts) - set(graph.definitions)),
        "functions": sorted(graph.functions),
        "saver": saver and {name: plain(value) for name, value in saver.items()},
        "collections": {
            name: {"kind": graph.collections.kind(name), "count": graph.collections.count(name)}
            for name in sorted(graph.collections)
        },
        "variables": {
            "global": len(graph.global_variables),
            "trainable": len(graph.trainable_variables),
            "local": len(graph.local_variables),
        },
        "signatures": sorted(graph.signatures),
        "assets": [asset.filename for asset in graph.assets],
        "kept": _kept(graph.file),
        "problems": list(graph.problems),
    }


def _kept(file: str) -> dict[str, Any] | None:
    with suppress(CheckpointError):
        return asdict(kept_checkpoints(os.path.dirname(file) or "."))
    return None


def summary_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the summary as lines: a word, and what it is about."""
    git = facts["tensorflow_git_version"]
    version = facts["tensorflow_version"] or "of unknown version"
    lines = [
        f"TensorFlow   {version}{f' ({git})' if git else ''}, graph version {facts['producer']}",
        f"nodes        {facts['nodes']:,} of {kinds(len(facts['ops']))}",
        *_histogram(facts["ops"]),
    ]
    variables = facts["variables"]
    rows: list[tuple[str, str]] = [
        ("tags", ", ".join(facts["tags"])),
        ("not defined", _undefined(facts)),
        ("functions", f"{len(facts['functions']):,}" if facts["functions"] else ""),
        ("saver", _saver(facts["saver"])),
        ("variables", ", ".join(f"{count:,} {name}" for name, count in variables.items())),
        *(
            ("collection", f"{name}: {each['count']:,} ({each['kind']})")
            for name, each in facts["collections"].items()
        ),
        ("signatures", ", ".join(facts["signatures"])),
        ("assets", ", ".join(facts["assets"])),
        ("kept", _kept_text(facts["kept"])),
    ]
    return lines + [f"{word:<12} {text}" for word, text in rows if text]


def _undefined(facts: Mapping[str, Any]) -> str:
    """Return the ops that the file does not define; a frozen graph defines none."""
    found = facts["undefined_ops"]
    none = found and len(found) == len(facts["ops"])
    return "any op, so that most dtypes are unknown" if none else ", ".join(found)


def problem_lines(problems: Sequence[str]) -> list[str]:
    """Return a line for each of the first problems."""
    lines = [f"problem      {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"             and {len(problems) - _MOST_PROBLEMS:,} more problems")
    return lines


def kinds(count: int) -> str:
    """Return "3 kinds"."""
    return count_of(count, "kind")


def _histogram(counts: Mapping[str, int]) -> list[str]:
    """Return a line for each of the most frequent ops."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    lines = [f"             {count:>7,}  {name}" for name, count in ranked[:_MOST_OPS]]
    rest = sum(count for _, count in ranked[_MOST_OPS:])
    return [*lines, f"             {rest:>7,}  of other kinds"] if rest else lines


def _saver(saver: Mapping[str, Any] | None) -> str:
    if saver is None:
        return ""
    keeps = f"keeps {saver['max_to_keep'] or 'all'}"
    hours = saver["keep_checkpoint_every_n_hours"]
    every = f" and one every {hours:,g} hours" if isinstance(hours, float) and hours else ""
    sharded = ", sharded" if saver["sharded"] else ""
    return f"{saver['version']}, {keeps}{every}{sharded}, restored by {saver['restore_op_name']}"


def _kept_text(kept: Mapping[str, Any] | None) -> str:
    if kept is None:
        return ""
    count = count_of(len(kept["kept"]), "checkpoint")
    rest = [
        f"; {name.replace('_', ' ')}: {first_few(kept[name])}"
        for name in ("incomplete", "missing", "other_files")
        if kept[name]
    ]
    return f"{count} by the state file, {len(kept['there'])} there{''.join(rest)}"


def first_few(names: Sequence[str]) -> str:
    """Return "a, b and 7 more"."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def variable_facts(variables: Iterable[Variable]) -> list[dict[str, Any]]:
    """Return the variables as JSON has them."""
    return [
        {
            "name": each.name,
            "dtype": None if each.dtype is None else str(each.dtype),
            "shape": sizes(each.shape),
            "key": each.checkpoint_key,
            "initializer": each.initializer,
            "device": each.device,
            "pieces": list(each.pieces),
        }
        for each in variables
    ]


def variable_lines(variables: Iterable[Variable]) -> list[str]:
    """Return a line per variable; its key where that is not its name."""
    rows = [(known(v.dtype), shape_text(v.shape), v) for v in variables]
    first = max((len(dtype) for dtype, _, _ in rows), default=0)
    second = max((len(shape) for _, shape, _ in rows), default=0)
    lines = []
    for dtype, shape, variable in rows:
        key = variable.checkpoint_key
        more = "  (not saved)" if key is None else f"  -> {key}"
        same = key == variable.name.removesuffix(":0")
        lines.append(f"{dtype:<{first}}  {shape:<{second}}  {variable.name}{'' if same else more}")
    return [*lines, count_of(len(rows), "variable")]
