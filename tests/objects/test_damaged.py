"""Object graphs with bytes changed or cut off: names and roles stay, and no other error comes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from objects import KEY, VALUE, save
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.names import VIEWS

NAMES = ("keras_3/adam", "keras_2/training", "hash_table_tf2/ckpt")


def changed(data: bytes) -> Iterator[bytes]:
    rng = random.Random(7)  # noqa: S311 - to repeat is the point
    yield from (data[: len(data) * part // 20] for part in range(20))
    for _ in range(60):
        bad = bytearray(data)
        for _ in range(rng.choice((1, 4, 40))):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        yield bytes(bad)


@pytest.mark.parametrize("name", NAMES)
def test_damage_hides_no_tensor(name: str, tmp_path: Path) -> None:
    with tfckpt.open(FIXTURES / name) as ckpt:
        data = ckpt[KEY].item()
        keys = [key for key in ckpt if key.endswith(VALUE)]
    for bad in changed(data):
        prefix = save(tmp_path, bad, dict.fromkeys(keys, np.ones(2, np.float32)))
        with tfckpt.open(prefix) as ckpt:
            assert list(ckpt.roles) == list(ckpt)
            for kind in VIEWS:
                named = ckpt.renamed(kind)
                assert sorted(named.key_of.values()) == sorted(ckpt)
            for key in keys[:3]:
                assert key in {each.key for each in ckpt.find(key)}
            error = None
            try:
                assert len(list(ckpt.object_graph or ())) == len(ckpt.object_graph or ())
            except tfckpt.CheckpointError as caught:
                error = caught
            assert error is None or error.tensor == KEY
            assert error is None or any("keys alone" in note for note in ckpt.notes)
