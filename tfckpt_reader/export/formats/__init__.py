"""The formats of exports, a module each.

A new format is a new module and a new row of `FORMATS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.export.formats.npy_folder import NpyFolder
from tfckpt_reader.export.formats.npz import Npz
from tfckpt_reader.export.formats.safetensors import Safetensors

if TYPE_CHECKING:
    from tfckpt_reader.export.formats.base import Format

FORMATS: dict[str, Format] = {
    "npz": Npz(),
    "safetensors": Safetensors(),
    "npy": NpyFolder(),
}
"""Value of the option ``format`` -> format."""
