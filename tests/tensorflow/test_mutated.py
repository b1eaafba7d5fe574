"""Files changed in every way that their checksums allow, read by TensorFlow and the package.

Where both give a tensor it is the same one, and where only TensorFlow gives one the reason is on a
list here. TensorFlow reads such files in a process of its own (`tf_oracle`), since it often dies
of them.
"""

from __future__ import annotations

import re
import resource
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pytest
import tf_oracle
import writers as w
from agreement import assert_canonical
from hypothesis import given
from mutations.bundle import mutated_bundles
from mutations.table import Mutant
from mutations.v1 import mutated_v1
from random_tensors import examples, key_of
from tf_oracle import Value, value_of

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow


Ours = dict[bytes, "tuple[int, Value] | tfckpt.CheckpointError"]

# What the package says of a tensor, or of a whole index, that TensorFlow reads, and why it may.
# The second word must be among what was done to it.
JUSTIFIED = [
    # Of the row of a slice TensorFlow reads where the bytes are, and takes dtype and shape from
    # the tensor's. No writer makes them differ.
    ("its row disagrees with the tensor's", "entry|value|row"),
    # Of a slice that is the whole tensor TensorFlow takes the full entry for the row, and looks for
    # no other. No writer makes such slices: it stores the tensor plain.
    ("the index has no row for it", "slices|entry|value"),
    # TensorFlow reads neither name nor slice in a V1 row. No writer gives it others than the key's.
    ("row holds values of another tensor", "label|value|row|block"),
    ("row holds values of another slice", "key|value|row|block|swapped|renamed"),
    # Of strings that claim bytes past the end of the file TensorFlow refuses up to some MiB, as we
    # do ("Read less bytes than requested"); a GiB or more it does not look ahead for, and reads.
    ("the file ends before the tensor does", r"entry b'[^']*' \{'size': \d{9,}\}"),
    # A group. No message of TensorFlow has had one; V1 values are walked by hand.
    ("unknown wire type", "extra|longer|edit"),
    # TensorFlow sees only the restart points that its search happens to touch.
    ("restart points do not ascend", "restarts|block"),
    # FORMAT 2.7: which keys TensorFlow finds then is chance.
    ("keys are not in ascending order", "swapped|renamed|row|block"),
    ("come before those of the block before", "swapped|renamed|row|block"),
    # Separators that lie: the same.
    ("a lookup of the block's (first|last) key", "separator|index|row|block"),
    ("the file has no row for it|there is no tensor", "separator|index|swapped|renamed|twice"),
]
# The same for a listing: of a damaged block TensorFlow loses the tensors, and says nothing (FORMAT
# 2.7); of a row that only a slice has, it looks at nothing when it lists. Here one bad row or block
# is an error of the whole listing; each tensor that can be found can still be read.
UNLISTED = r"""(?x)
    masked\ crc | restart\ (points|array) | keys?\ | lookup | blocks\ overlap | varint
    | compression | snappy | points\ past\ the\ end | slice | shape | dtype
    | protobuf\ message | VN\ checkpoint
"""
# Where only the package gives a value, and another than was written, it must be for one of these.
UNREAD = r"""(?x)
    not\ (yet\ )?supported | No\ such\ file | ^died | UnicodeDecodeError
    | saved\ tensor\ slices\ at\ the\ beginning
"""


def attempt(read: Callable[[], w.Array]) -> Value | tfckpt.CheckpointError:
    try:
        return value_of(read())
    except tfckpt.CheckpointError as error:
        return error


@dataclass
class Mine:
    """The package's reading of a checkpoint."""

    listed: set[bytes] | tfckpt.CheckpointError
    found: Ours
    notes: tuple[str, ...] = ()


def read_ours(path: str, names: Iterable[bytes]) -> Mine:
    """Read all that is listed, and these."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        ckpt, copied = tfckpt.open(path), tfckpt.open(path, mmap=False)
    except tfckpt.CheckpointError as error:
        return Mine(error, dict.fromkeys(names, error))
    listed: set[bytes] | tfckpt.CheckpointError
    try:
        listed = {key_of(name) for name in ckpt}
    except tfckpt.CheckpointError as error:
        listed = error
    keys = {*names, *(listed if isinstance(listed, set) else ())} - {b""}
    found = {key: read_one(ckpt, copied, key.decode("utf-8", "surrogateescape")) for key in keys}
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1 << 19, f"took {grown} KiB of memory"
    return Mine(listed, found, ckpt.notes)


def read_one(
    ckpt: tfckpt.Checkpoint, copied: tfckpt.Checkpoint, name: str
) -> tuple[int, Value] | tfckpt.CheckpointError:
    """Read a tensor in each way there is; they agree."""
    view = attempt(lambda: ckpt[name])
    ways = [attempt(lambda: copied[name]), attempt(lambda: ckpt.read(name))]
    if isinstance(view, tfckpt.CheckpointError):
        assert all(isinstance(way, tfckpt.CheckpointError) for way in ways), (view, ways)
        return view
    assert ways == [view, view]
    dtype = int(ckpt.specs[name].dtype)
    assert_canonical(ckpt[name], dtype)
    if view.shape:
        some = ckpt.read(name, rows=slice(1, 3))
        assert value_of(some) == value_of(ckpt[name][1:3])
    return dtype, view


class Tally:
    """Counts of tensors read by either, and of the reasons why not, each with its first case."""

    def __init__(self) -> None:
        self.cases = self.both = self.neither = 0
        self.groups: dict[str, Counter[str]] = defaultdict(Counter)
        self.samples: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"<Tally of {self.cases} cases>"

    def note(self, group: str, kind: str, *case: object) -> None:
        self.groups[group][kind] += 1
        self.samples.setdefault((group, kind), " ".join(map(str, case)))

    def __str__(self) -> str:
        lines = [f"{self.cases} cases; tensors: both read {self.both}, neither {self.neither}"]
        for what, group in sorted(self.groups.items()):
            lines.append(f"  {what}: {group.total()}")
            lines += [f"  {count:6} {kind}" for kind, count in group.most_common()]
        return "\n".join(lines)


def kind_of(error: tfckpt.CheckpointError | tf_oracle.Refusal) -> str:
    """An error without what changes from case to case."""
    text = str(error) if isinstance(error, tf_oracle.Refusal) else error.problem
    text = re.sub(r"/\S*/model\.ckpt\S*|'[^']*'|\"[^\"]*\"|key \S*;|(?<=for tensor )\S*", "…", text)
    text = re.sub(r" = \[?[-0-9,:]*\]?|: extent = .*| \[Op:RestoreV2\]", "", text)
    return re.sub(r"-?\d+", "N", text)[:100]


@dataclass
class Comparison:
    """One checkpoint, read by both."""

    tf: tf_oracle.TensorFlow
    case: Mutant
    path: str
    tally: Tally

    def run(self) -> None:
        self.listing = self.tf.listing(self.path)
        self.known = {} if isinstance(self.listing, tf_oracle.Refusal) else self.listing
        self.mine = read_ours(self.path, {*self.known, *self.case.before})
        for key, got in self.mine.found.items():
            self.judge(key, got, self.theirs(key, got))

    def dtype(self, key: bytes, got: object) -> int | None:
        """Return the dtype number to ask TensorFlow for."""
        if key in self.known:
            return self.known[key][0]
        if isinstance(got, tuple):
            return int(got[0])
        return self.case.before[key][0] if key in self.case.before else None

    def theirs(self, key: bytes, got: object) -> Value | tf_oracle.Refusal:
        """What TensorFlow reads: by its reader or, where that refuses, RestoreV2.

        Of V1, RestoreV2 has the word: the reader makes up what is not stored.
        """
        dtype, v1 = self.dtype(key, got), ".index" not in self.case.files
        their: Value | tf_oracle.Refusal
        if isinstance(self.listing, tf_oracle.Refusal):
            their = self.listing
            if v1:
                return their  # any bad tensor makes it refuse a V1 file
        else:
            their = self.tf.get(self.path, key)
        agreed = isinstance(got, tuple) and their == got[1]
        if dtype is None or agreed or (isinstance(their, Value) and not v1):
            return their
        return self.tf.restore(self.path, key, dtype)

    def judge(
        self,
        key: bytes,
        got: tuple[int, Value] | tfckpt.CheckpointError,
        their: Value | tf_oracle.Refusal,
    ) -> None:
        """Where both have a value it is one; where only one has, there is a reason."""
        if isinstance(their, tf_oracle.Refusal):
            self.only_ours(key, got, their)
            return
        if isinstance(got, tuple):
            assert got[1] == their, f"{key!r}: TensorFlow reads {their}, not {got[1]}"
            twice = self.case.twice or any("twice" in note for note in self.mine.notes)
            assert twice or got[0] == self.dtype(key, got), f"{key!r}: {self.known}"
            self.tally.both += 1
        else:
            self.only_theirs(key, got, their)
        if key in self.known:
            self.require_listed(key)

    def only_ours(self, key: bytes, got: object, their: tf_oracle.Refusal) -> None:
        if not isinstance(got, tuple):
            self.tally.neither += 1
            return
        if got == self.case.before.get(key):
            self.tally.note("only ours reads, what was written", kind_of(their), self.case, key)
            return
        # Another tensor may have cost TensorFlow the whole V1 file; no elements, nothing wrong.
        spared = their is self.listing or not prod(got[1].shape)
        assert spared or re.search(UNREAD, str(their)), f"{key!r}: {got} is read, though: {their}"
        self.tally.note("only ours reads, something else", kind_of(their), self.case, key, got)

    def only_theirs(self, key: bytes, error: tfckpt.CheckpointError, their: Value) -> None:
        listed, kind = self.mine.listed, kind_of(error)
        if isinstance(listed, tfckpt.CheckpointError) and kind_of(listed) == kind:
            kind = f"(listing) {kind}"  # it could not be opened, or this name needs the listing
            reason = re.search(UNLISTED, kind) is not None
        elif not their.data and isinstance(error, tfckpt.TruncatedError):
            reason = True  # no bytes, but at a place where the file has none
        else:
            done = str(self.case)
            reason = any(re.search(a, kind) and re.search(b, done) for a, b in JUSTIFIED)
        assert reason, f"{key!r}: TensorFlow reads it: {error}"
        self.tally.note("only TensorFlow reads, and may", kind, self.case, key, error)

    def require_listed(self, key: bytes) -> None:
        listed = self.mine.listed
        if isinstance(listed, set):
            assert key in listed
            return
        kind = kind_of(listed)
        assert re.search(UNLISTED, kind), f"{key!r} is not listed: {listed}"
        self.tally.note("ours does not list, and may not", kind, self.case, key, listed)


def compare(tf: tf_oracle.TensorFlow, case: Mutant, tally: Tally) -> None:
    """Both read a checkpoint; every tensor that both have is the same."""
    tally.cases += 1
    with tempfile.TemporaryDirectory() as folder:
        base = f"{folder}/model.ckpt"
        for suffix, contents in case.files.items():
            Path(base + suffix).write_bytes(contents)
        Comparison(tf, case, base + case.suffix, tally).run()


@pytest.fixture(scope="module")
def tallies(
    request: pytest.FixtureRequest, worker: tf_oracle.TensorFlow
) -> Iterator[dict[str, Tally]]:
    """Counts to add to, printed in the end."""
    counts: dict[str, Tally] = defaultdict(Tally)
    yield counts
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for name, tally in counts.items():
            print(f"\nmutated {name}: {tally}")  # noqa: T201 - who runs this wants to see it
            if request.config.option.verbose > 0:
                for (group, kind), case in tally.samples.items():
                    print(f"{group}: {kind}\n    {case}")  # noqa: T201
        print(f"TensorFlow died {worker.deaths} times")  # noqa: T201


Tallies = dict[str, Tally]


@examples(600)
@given(case=mutated_bundles())
def test_mutated_v2(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Mutant) -> None:
    compare(worker, case, tallies["V2"])


@examples(1000)
@given(case=mutated_v1())
def test_mutated_v1(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Mutant) -> None:
    compare(worker, case, tallies["V1"])


@pytest.mark.parametrize("big_endian", [False, True])
def test_no_header(worker: tf_oracle.TensorFlow, tmp_path: Path, big_endian: bool) -> None:
    """The header alone says which end of a number comes first; TensorFlow needs it."""
    value = np.array([1, 2, 3], np.int32)
    w.write_bundle(
        tmp_path / "p", {"x": value}, big_endian=big_endian, edit_rows=lambda rows: rows[1:]
    )
    assert isinstance(worker.restore(f"{tmp_path}/p", b"x", 3), tf_oracle.Refusal)
    try:
        got = tfckpt.open(tmp_path / "p")["x"]
    except tfckpt.CheckpointError:
        return
    assert value_of(got) == value_of(value)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(6000)
@given(case=mutated_bundles())
def test_mutated_v2_long(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Mutant) -> None:
    compare(worker, case, tallies["V2, long"])


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(10000)
@given(case=mutated_v1())
def test_mutated_v1_long(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Mutant) -> None:
    compare(worker, case, tallies["V1, long"])
