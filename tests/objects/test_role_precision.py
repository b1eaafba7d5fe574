"""Roles by names alone, over all checkpoints whose object graph or collections tell the truth."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from project import CORPUS, FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.names import Names
from tfckpt_reader.objects.roles import BY_COLLECTIONS, BY_OBJECTS, classify

FIGURES = {
    "weight": (0.98, 0.98),
    "optimizer slot": (0.96, 1.0),
    "optimizer state": (1.0, 1.0),
    "step or counter": (1.0, 1.0),
    "batch-norm statistics": (1.0, 0.84),
    "moving average": (1.0, 0.25),
    "lookup table": (1.0, 1.0),
    "Python state": (1.0, 1.0),
}
"""Least precision and recall of each role. Without its full name, a value of a Keras 3 optimizer
that is an average looks like any other slot, and a scalar without a known name like none."""


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not here")
def test_precision_and_recall() -> None:
    right: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    true: Counter[str] = Counter()
    known: set[Path] = set()
    for index in (*FIXTURES.rglob("*.index"), *CORPUS.rglob("*.index")):
        if index.parent.name.startswith(("temp_parts", "registered")):
            continue
        with tfckpt.open(index) as ckpt:
            specs, roles = dict(ckpt.specs), ckpt.roles
            by_names = classify(specs, Names(specs, None), {})
        for key, role in roles.items():
            if role.evidence in (BY_OBJECTS, BY_COLLECTIONS) and role.kind != "copy":
                known.add(index)
                true[role.kind] += 1
                guessed[by_names[key].kind] += 1
                right[role.kind] += role.kind == by_names[key].kind
    assert len(known) >= 25
    found = {kind: (right[kind] / guessed[kind], right[kind] / true[kind]) for kind in FIGURES}
    assert {kind: figures for kind, figures in found.items() if figures < FIGURES[kind]} == {}
    assert all(found[kind][1] >= least[1] for kind, least in FIGURES.items()), found
    assert sum(true.values()) - sum(true[kind] for kind in FIGURES) <= 5, true
