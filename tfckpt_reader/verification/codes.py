"""The codes of all problems in a report, and the level of checks that each needs.

Knows no format; tables only.

A level includes those before it:

    index    the index alone, without the data files
    sizes    presence and size of the data files, and the bytes between tensors
    data     every byte of every tensor, against its checksum
    values   the numbers of the weights
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("index", "sizes", "data", "values")
SEVERITIES = ERROR, WARNING, INFORMATION = "error", "warning", "information"
"""The worst first."""


def reaches(level: str, wanted: str) -> bool:
    """Return whether a verification at `level` includes the checks of level `wanted`."""
    return LEVELS.index(level) >= LEVELS.index(wanted)


def require_level(level: str) -> None:
    """Refuse an unknown level.

    Raises:
        ValueError: the message names the levels.
    """
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r}: it is one of {', '.join(LEVELS)}")


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem."""

    name: str
    level: str
    """First level to report it. A V1 file is index and data at once, and may be reported a
    level earlier."""
    meaning: str
    cure: str
    severity: str = ERROR
    """Error: the bytes are not those saved. Warning: odd, or a risk. Information: no action is
    needed."""


_COPY = "Copy or download the file again, and compare checksums with the source."
_SAVE = "Save the checkpoint again with a released TensorFlow."
_EXPORT = "Export or copy the whole SavedModel again."
_GRAPH = "Put the .meta file, or saved_model.pb, of the same model beside the checkpoint."
_TRAINING = "Go back to an earlier checkpoint, and check the training."
_MODEL = "Check whether this part of the model is used, and was trained or loaded."
_ALLOW = "Grant the user that runs this permission to read it; a pipe or a device is never read."

CODES = {
    "TFC101": Code("not-a-table", "index", "The file is no checkpoint index, or is cut off.",
        "If it should be one, copy it again, and compare checksums with the source."),
    "TFC102": Code("footer", "index", "The footer holds bytes that no writer puts there.", _COPY),
    "TFC103": Code("metaindex", "index", "The metaindex block is damaged or not empty.", _COPY),
    "TFC104": Code("block", "index", "A block of the index is damaged; its rows are lost.", _COPY),
    "TFC105": Code("index-gap", "index", "Bytes of the index belong to no block.", _COPY),
    "TFC106": Code("key-order", "index", "Keys are out of order: lookups can miss them.", _SAVE),
    "TFC107": Code("duplicate-key", "index",
        "A key occurs twice: readers differ about which one counts.", _SAVE),
    "TFC108": Code("separator", "index", "The index block misleads a lookup.", _SAVE),
    "TFC201": Code("no-header", "index", "The index has no header row.", _SAVE),
    "TFC202": Code("header", "index", "The header cannot be right, or needs a newer reader.",
        _SAVE),
    "TFC203": Code("entry", "index", "An entry cannot be decoded, or cannot be right.", _SAVE),
    "TFC204": Code("slices", "index", "Slices of a tensor overlap, leave holes or are lost.",
        _SAVE),
    "TFC205": Code("stray-slice", "index",
        "A slice belongs to no tensor of the index: its tensor is lost.", _SAVE),
    "TFC206": Code("name", "index",
        "A name is not UTF-8: TensorFlow's Python cannot list a checkpoint that has one.",
        _SAVE, WARNING),
    "TFC207": Code("unmerged", "index", "This is a part of a save that was never merged.",
        "Go back to an earlier checkpoint, or bring all parts of the save together."),
    "TFC301": Code("shard-missing", "sizes", "A data file is missing.", "Copy it too."),
    "TFC302": Code("shard-short", "sizes", "A data file ends before its tensors do.", _COPY),
    "TFC303": Code("overlap", "sizes", "Two tensors claim the same bytes.", _SAVE),
    "TFC304": Code("hole", "sizes", "Bytes between tensors are not zero and belong to none.",
        _COPY),
    "TFC305": Code("padding", "sizes", "Zero bytes lie between tensors.", "Nothing to do.",
        INFORMATION),
    "TFC306": Code("trailing", "sizes", "A data file continues after its last tensor.", _COPY),
    "TFC307": Code("shard-count", "sizes",
        "The index and the names of the data files give different counts: TensorFlow finds none.",
        "Copy all files of one save, under the names that it gave them."),
    "TFC308": Code("stray-shard", "sizes", "No tensor lies in this data file.", "Nothing needs it.",
        INFORMATION),
    "TFC309": Code("shard-unreadable", "sizes", "A data file is there but cannot be read.", _ALLOW),
    "TFC351": Code("state-newest", "index", "The newest checkpoint of the state file is missing.",
        "Copy it."),
    "TFC352": Code("state-kept", "index", "Older checkpoints of the state file are missing.",
        "Copy them too, or remove them from the state file: tfckpt repair-state.", WARNING),
    "TFC353": Code("index-missing", "index",
        "Data, or a SavedModel's graph, lies here without its index.", _COPY),
    "TFC354": Code("unreadable", "index",
        "A checkpoint, or a file beside it, is there but cannot be read.", _ALLOW),
    "TFC355": Code("unreadable-folder", "index", "A folder could not be searched.", _ALLOW),
    "TFC356": Code("state-text", "index",
        "TensorFlow does not find the newest checkpoint by this state file.",
        "Correct the state file: tfckpt repair-state.", WARNING),
    "TFC357": Code("changed", "index",
        "A file was changed while it was read: nothing is known of the checkpoint.",
        "Wait until its writer is done, and verify it again."),
    "TFC401": Code("crc", "data", "The bytes of a tensor are not those that were saved.", _COPY),
    "TFC402": Code("value", "data", "The bytes of a tensor cannot be decoded.", _COPY),
    "TFC403": Code("string-size", "data",
        "Strings or variants take a different number of bytes than the entry says.", _SAVE),
    "TFC501": Code("fingerprint", "index", "fingerprint.pb cannot be read.", _EXPORT),
    "TFC502": Code("other-index", "index",
        "The index is not the one that was saved with this SavedModel.", _EXPORT),
    "TFC503": Code("graph-key", "index", "The graph restores a tensor that the checkpoint lacks.",
        _GRAPH),
    "TFC504": Code("object-key", "data", "A value of the object graph is missing.", _SAVE),
    "TFC505": Code("graph", "index", "A graph cannot be read; the tensors may be sound.", _COPY),
    "TFC506": Code("graph-shape", "index",
        "The graph has another shape or dtype for a tensor than the checkpoint.",
        _GRAPH, WARNING),
    "TFC601": Code("nan", "values", "A tensor holds NaN.", _TRAINING, WARNING),
    "TFC602": Code("infinite", "values", "A tensor holds infinities.", _TRAINING, WARNING),
    "TFC603": Code("all-zero", "values", "Weights are zero throughout.", _MODEL, WARNING),
    "TFC604": Code("constant", "values", "Weights are all the same number.", _MODEL, WARNING),
    "TFC605": Code("denormal", "values", "All numbers of a tensor are denormal or zero.",
        _TRAINING, WARNING),
    "TFC901": Code("unsupported", "index",
        "Valid as far as known, but unsupported by this version or too large for this machine.",
        "Update, or use a larger machine."),
}  # fmt: skip
"""By number. Codes are stable: a number is never given another meaning."""
UNREAD = ("TFC309", "TFC354", "TFC355", "TFC357")
"""Nothing is known of the bytes: no finding, but an exit code of 2."""
DAMAGED_TABLE = ("footer", "metaindex", "block", "index-gap")
"""Names of the codes for damaged blocks of a file with the footer of a table."""
DAMAGED_TENSOR = ("crc", "value")
"""Names of the codes for bytes of a tensor other than those saved."""
