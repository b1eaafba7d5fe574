"""A graph as a whole: versions, counts, collections, how its checkpoints are kept."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.notation import first_lines, first_names, json_value
from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.paths.retention import kept_checkpoints
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfckpt_reader.graph.meta_graph import MetaGraph

_MOST_OPS = 12
_MOST_PROBLEMS = 20


def summary_facts(graph: MetaGraph) -> dict[str, Any]:
    """Return the versions and contents of a graph, mostly as counts."""
    return {
        "tensorflow_version": graph.tensorflow_version,
        "tensorflow_git_version": graph.tensorflow_git_version,
        "producer": graph.producer,
        "tags": sorted(graph.tags),
        "nodes": len(graph),
        "ops": graph.op_counts,
        "undefined_ops": sorted(set(graph.op_counts) - set(graph.definitions)),
        "functions": sorted(graph.functions),
        "saver": graph.saver
        and {name: json_value(value) for name, value in asdict(graph.saver).items()},
        "collections": {
            name: {"kind": graph.collections.kind(name), "count": graph.collections.count(name)}
            for name in sorted(graph.collections)
        },
        "variables": {
            "global": len(graph.global_variables),
            "trainable": len(graph.trainable_variables) if graph.lists_variables else None,
            "local": len(graph.local_variables) if graph.lists_variables else None,
        },
        "signatures": sorted(graph.signatures),
        "assets": [asset.filename for asset in graph.assets],
        "kept": _kept(graph.file),
        "problems": list(graph.problems),
    }


def _kept(file: str) -> dict[str, Any] | None:
    """Return the checkpoints in the state file beside a graph; None without one."""
    with suppress(CheckpointError):
        return asdict(kept_checkpoints(os.path.dirname(file) or "."))
    return None


def summary_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the summary as lines: a heading of one or two words, and its text."""
    git = facts["tensorflow_git_version"]
    version = facts["tensorflow_version"] or "of unknown version"
    lines = [
        f"TensorFlow   {version}{f' ({git})' if git else ''}, graph version {facts['producer']}",
        f"nodes        {facts['nodes']:,} of {count_of(len(facts['ops']), 'kind')}",
        *_histogram(facts["ops"]),
    ]
    rows: list[tuple[str, str]] = [
        ("tags", ", ".join(facts["tags"])),
        ("not defined", _undefined(facts)),
        ("functions", f"{len(facts['functions']):,}" if facts["functions"] else ""),
        ("saver", facts["saver"] and _saver(facts["saver"])),
        ("variables", _variables(facts["variables"])),
        *(
            ("collection", f"{name}: {each['count']:,} ({each['kind']})")
            for name, each in facts["collections"].items()
        ),
        ("signatures", ", ".join(facts["signatures"])),
        ("assets", ", ".join(facts["assets"])),
        ("kept", facts["kept"] and _kept_text(facts["kept"])),
    ]
    return lines + [f"{heading:<12} {text}" for heading, text in rows if text]


def problem_lines(problems: Sequence[str]) -> list[str]:
    """Return a line for each of the first problems."""
    return first_lines([f"problem      {problem}" for problem in problems], _MOST_PROBLEMS)


def _histogram(counts: Mapping[str, int]) -> list[str]:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    lines = [f"             {count:>7,}  {name}" for name, count in ranked[:_MOST_OPS]]
    rest = sum(count for _, count in ranked[_MOST_OPS:])
    return [*lines, f"             {rest:>7,}  of other kinds"] if rest else lines


def _undefined(facts: Mapping[str, Any]) -> str:
    """Return the ops without a definition in the file; a frozen graph defines none."""
    undefined = facts["undefined_ops"]
    if undefined and len(undefined) == len(facts["ops"]):
        return "all ops, so most dtypes are unknown"
    return ", ".join(undefined)


def _variables(counts: Mapping[str, int | None]) -> str:
    if counts["trainable"] is None:
        return f"{counts['global']:,} made by nodes; the file has no list of them"
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _saver(saver: Mapping[str, Any]) -> str:
    keeps = f"keeps {saver['max_to_keep'] or 'all'}"
    hours = saver["keep_checkpoint_every_n_hours"]
    every = f" and one every {hours:,g} hours" if isinstance(hours, float) and hours else ""
    sharded = ", sharded" if saver["sharded"] else ""
    return f"{saver['version']}, {keeps}{every}{sharded}, restored by {saver['restore_op_name']}"


def _kept_text(kept: Mapping[str, Any]) -> str:
    count = count_of(len(kept["kept"]), "checkpoint")
    rest = [
        f"; {name.replace('_', ' ')}: {first_names(kept[name])}"
        for name in ("incomplete", "missing", "other_files")
        if kept[name]
    ]
    return f"{count} in the state file, {len(kept['there'])} present{''.join(rest)}"
