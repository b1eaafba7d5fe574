"""The formats of exports, a module each.

A new format is a new module and a new row of `FORMATS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.export.formats.hdf5 import Hdf5
from tfckpt_reader.export.formats.npy_folder import NpyFolder
from tfckpt_reader.export.formats.npz import Npz
from tfckpt_reader.export.formats.safetensors import Safetensors
from tfckpt_reader.export.formats.tf_bundle import TfBundle
from tfckpt_reader.export.formats.zarr import Zarr

if TYPE_CHECKING:
    from tfckpt_reader.export.formats.base import Format

FORMATS: dict[str, Format] = {
    "npz": Npz(),
    "safetensors": Safetensors(),
    "h5": Hdf5(),
    "zarr": Zarr(),
    "npy": NpyFolder(),
    "tf": TfBundle(),
}
"""Value of the option ``format`` -> format."""
