"""Groups 26 and 27: files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import writers as w

from hostile.case import DATA, WHOLE, Case, Fails
from hostile.good import GOOD, PIECES, VALUES, bundle
from hostile.rows import harmless, refused
from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
)

# Several arguments stand on a line: there are many cases.
# fmt: off


def kinds_of_files() -> Iterator[Case]:
    def loop(folder: Path) -> None:
        (folder / "x.index").symlink_to("y.index")
        (folder / "y.index").symlink_to("x.index")

    not_here = Fails(CheckpointNotFoundError, "there is no checkpoint")
    yield refused(
        26, "index-link-loop", "x.index and y.index are links to each other", {}, not_here,
        arrange=loop,
    )

    def dangling(folder: Path) -> None:
        (folder / "x.index").symlink_to("nowhere")

    yield refused(
        26, "index-link-dangling", "x.index is a link to nothing", {}, not_here, arrange=dangling
    )

    def pipe(name: str) -> Callable[[Path], None]:
        return lambda folder: os.mkfifo(folder / name)

    not_file = Fails(CheckpointError, "is not a regular file")
    yield refused(
        26, "index-pipe", "x.index is a pipe that nobody writes to", {}, not_here,
        arrange=pipe("x.index"), waits=True,
    )
    yield refused(
        26, "index-pipe-named", "x.index is a pipe, and is named itself", {}, not_file,
        path="x.index", arrange=pipe("x.index"), waits=True,
    )
    only_index = {name: contents for name, contents in bundle().items() if name == "x.index"}
    yield Case(
        26, "data-pipe", "the data file is a pipe", only_index, dict.fromkeys(VALUES, not_file),
        arrange=pipe("x" + DATA), waits=True,
    )
    zero = Path("/dev/zero")
    yield Case(
        26, "data-device", "the data file is a link to /dev/zero", only_index,
        dict.fromkeys(VALUES, not_file),
        arrange=lambda folder: (folder / ("x" + DATA)).symlink_to(zero),
    )
    yield refused(
        26, "index-device", "x.index is a link to /dev/zero", {}, not_here,
        arrange=lambda folder: (folder / "x.index").symlink_to(zero),
    )
    yield Case(
        26, "data-folder", "the data file is a folder", {**only_index, f"x{DATA}/y": b""},
        dict.fromkeys(VALUES, not_file),
    )
    yield refused(26, "index-folder", "x.index is a folder", {"x.index/y": b""}, not_here)

    def links(folder: Path) -> None:
        for name in bundle():
            (folder / name).symlink_to(Path("there") / name)

    linked = {f"there/{name}": contents for name, contents in bundle().items()}
    yield harmless(
        26, "links", "index and data are links to files elsewhere", linked, arrange=links
    )
    yield Case(
        26, "data-missing", "no data file", only_index,
        dict.fromkeys(VALUES, Fails(CheckpointNotFoundError, "is missing")),
    )
    yield refused(
        26, "index-missing", "no index", {f"x{DATA}": bundle()[f"x{DATA}"]},
        Fails(CheckpointNotFoundError, ".index"),
    )


def folders() -> Iterator[Case]:
    other = bundle(tensors={name: tensor for name, tensor in GOOD.items() if name != "s"}, shards=2)
    yield harmless(
        27, "two-sets", "data files of another save, -of-00002, beside -of-00001",
        {**other, **bundle()},
    )
    leftovers = {
        "x.index.tempstate123": b"junk", f"x{DATA}.tempstate9": b"",
        "x_temp/part-00000-of-00001.index": b"", "x.meta": b"\xff",
    }
    yield harmless(27, "leftovers", "files that were being written", {**bundle(), **leftovers})
    for name, prefix in (
        ("dot", "x."), ("dots", "..."), ("space", " "), ("brackets", "a[b]*?{c}"),
        ("index", "x.index"), ("tilde", "~"), ("dash", "-x"),
    ):
        files = {f"{prefix}{key[1:]}": contents for key, contents in bundle().items()}
        yield harmless(27, f"prefix-{name}", f"the prefix is {prefix!r}", files, path=prefix)
    nameless = {f"d/{key[1:]}": contents for key, contents in bundle().items()}
    yield harmless(
        27, "prefix-empty", "the prefix ends in a slash: files d/.index and so on", nameless,
        path="d/.index",
    )
    yield harmless(
        27, "prefix-is-folder", "a folder x beside x.index", {**bundle(), "x/y": b""},
        note="not the folder",
    )
    five = bundle(header=w.header(2))
    yield harmless(
        27, "shards-2-named-1", "num_shards is 2, the only file is named -of-00001", five,
        note="data files are named for 1",
    )


def _hundred_axes(rows: w.Rows) -> w.Rows:
    """Let b have 100 axes, in the header and in its row's key."""
    extents = [WHOLE] * 100
    metas = [
        w.v1_tensor(b"a", (3,), 1, [[WHOLE]]), w.v1_tensor(b"b", (1,) * 99 + (4,), 9, [extents]),
        w.v1_tensor(b"p", (4, 5), 1, PIECES),
    ]
    row = w.v1_data(b"b", extents, w.tensor_proto(GOOD["b"].reshape(-1)))
    rows = w.replace_row(rows, b"", w.v1_meta(metas, None))
    rows = w.replace_row(rows, w.slice_key(b"b", [WHOLE] * 2), None)
    return sorted([*rows, (w.slice_key(b"b", extents), row)])
