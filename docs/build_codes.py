"""Write codes.md, the page of all that `tfckpt verify` can find, from the table in the package.

Run it when that table changes: ``python docs/build_codes.py``. A test compares.
"""

from __future__ import annotations

from pathlib import Path

from tfckpt_reader.verification.codes import CODES, LEVELS, Code

PAGE = Path(__file__).with_name("codes.md")
HEAD = """\
# What `tfckpt verify` finds

Made by `docs/build_codes.py`; edit the table in `tfckpt_reader/verification/codes.py` instead.
`tfckpt verify --explain CODE` prints the same.

An **error** means that bytes are not what was saved, or that TensorFlow would read something else than was meant; a
**warning** is odd or a risk and fails a job only with `--strict`; **information** needs nobody to act. Exit code 0: no
error. 1: the bytes are there but bad, a Git LFS pointer or a web page included. 2: nothing is there, it cannot be read,
or the call is wrong.

A code keeps its number and its meaning for good. A problem carries its code and severity, and where they are known the
file, the byte, the tensor, what was expected and what was found.
"""
LEVEL_HEADS = {
    "index": "The index by itself: its footer and blocks, the order of keys, the header, the numbers in each "
    "entry, and whether the slices of a partitioned tensor tile it exactly. No data file is opened. A V1 file is one "
    "table of names and values, so that all of it is read. The index of a SavedModel is compared with its "
    "`fingerprint.pb`, and every index with the graph beside it (`.meta`, `saved_model.pb`, up to 32 MiB): the tensors "
    "that the graph restores must be there.",
    "sizes": "Whether each data file that holds a tensor is there and long enough, and whether each byte of it belongs to "
    "one tensor. "
    "Only bytes that no tensor claims are read.",
    "data": "Every byte of every tensor, against its checksum; strings and V1 values are decoded, and the values that an "
    "object-based checkpoint's own object graph names must be there. This is the default.",
    "values": "The numbers of the floats, streamed; the only level that imports NumPy. NaN and infinities are "
    "reported for every tensor. Zeros or one number throughout are reported only for weights with two axes or more that "
    "are no slot of an optimizer: biases begin as zeros, scales as ones, and slots of frozen weights stay zero, so that "
    "a sound checkpoint has dozens. Nothing is reported for integers, bools and strings.",
}
"""Description of each level."""
TAIL = """
## Diagnosis

One cause shows as many problems. After an error, `verify` also names the probable cause for each file, in
`report.diagnosis`, under `diagnosis` in JSON, and before the last line of the text:

| diagnosis | evidence |
|---|---|
| the file is something else: a Git LFS pointer, a web page, an archive | its first bytes |
| cut off, by how many bytes, and how many tensors it lacks | it ends before its tensors do; those before the end are sound |
| of another save than the index | nine in ten or more of its tensors fail, or half of them with nine tenths of the \
bytes, whether its size fits or not. How much older or newer than the index it is, is added as a hint only |
| damaged, and which tensors are affected | some tensors fail |
| zeros where data should be: an unfinished download, a sparse copy | all failing bytes from some byte on are zero |
| transferred as text: line feeds became CR LF | each line feed stands behind a CR, and it is too long by as many bytes or fewer |
| transferred as text the other way | too short, everything behind some byte fails, and no CR stands before a line feed |
| index and data of different saves, or renamed | the index counts other data files than the names say; if all is \
sound, the names that TensorFlow looks for |
| the graph beside it is of another model | it restores tensors that the checkpoint lacks |
| a SavedModel's index was exchanged | `fingerprint.pb` is that of another index |
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(level) for level in LEVELS) + TAIL


def _section(level: str) -> str:
    rows = [_row(number, code) for number, code in CODES.items() if code.level == level]
    head = f"\n## Level `{level}`\n\n{LEVEL_HEADS[level]}\n\n"
    return (
        head
        + "| code | name | severity | what it means | what to do |\n|---|---|---|---|---|\n"
        + "".join(rows)
    )


def _row(number: str, code: Code) -> str:
    return f"| {number} | {code.name} | {code.severity} | {code.meaning} | {code.cure} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
