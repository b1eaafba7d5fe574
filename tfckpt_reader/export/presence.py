"""Data files that are missing, found before anything is written: all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, CheckpointNotFoundError, ErrorKind
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.paths.layout import v1_shards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.tensor.spec import TensorSpec

_MOST_NAMED = 10


def missing_files(
    reader: Reader, specs: Iterable[TensorSpec], *, chosen: bool
) -> CheckpointNotFoundError | None:
    """Return the error about the missing data files that some tensors need.

    A V1 file lists its tensors itself: nobody knows what a missing one held.

    Args:
        reader: The checkpoint.
        specs: The tensors.
        chosen: They were chosen by name, so that nothing more is wanted.
    """
    if isinstance(reader, Bundle):
        return _missing_shards(reader, specs)
    is_whole = chosen or reader.version != "V1"
    location = None if is_whole else v1_shards(reader.prefix)
    if location is None or not location.missing:
        return None
    return CheckpointNotFoundError(
        location.missing,
        kind=ErrorKind.INCOMPLETE,
        file=reader.prefix,
        advice="Copy it too; --include '*' converts what is left",
    )


def _missing_shards(bundle: Bundle, specs: Iterable[TensorSpec]) -> CheckpointNotFoundError | None:
    stored = (each for spec in specs for each in (spec.slices or (spec,)))
    numbers = {each.shard for each in stored if each.shard is not None}
    errors = []
    for number in sorted(numbers):
        try:
            bundle.shards.file(number)
        except CheckpointNotFoundError as error:
            errors.append(error)
        except CheckpointError:
            continue  # reading the tensor tells more
    if len(errors) > 1:
        others = [f"{error.file}: {error.problem}" for error in errors[1:_MOST_NAMED]]
        rest = len(errors) - _MOST_NAMED
        more = f"; and {rest:,} more" if rest > 0 else ""
        errors[0].problem += f"; {'; '.join(others)}{more}"
    return errors[0] if errors else None
