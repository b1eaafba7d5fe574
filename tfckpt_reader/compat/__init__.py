"""The functions of ``tf.train`` that read checkpoints, without TensorFlow.

    import tfckpt_reader.compat as train

    for name, shape in train.list_variables("model.ckpt"):
        array = train.load_variable("model.ckpt", name)

``python -m tfckpt_reader.compat script.py`` runs a script whose ``import tensorflow`` then means
this package; `install` does so in a running program.

The only room where TensorFlow's functions are spelled. Values, types and classes of errors are
TensorFlow 2.21's (`compat.errors` has the table of errors), with these differences on purpose:

* A path is never a glob; ``-?????-of-00002`` still means the shards of a V1 checkpoint.
* A wrong path is never silently empty: ``model.ckpt.index`` is a DataLossError, not an empty list.
* Partitioned tensors and all dtypes of V1 files are read, and slices of all dtypes of V2 ones. A
  V1 tensor with a part missing is an error, not uninitialised memory.
* Names that are not UTF-8 are listed, with surrogate escapes. The empty name is no tensor.
* Messages begin with TensorFlow's words where scripts look for them; the rest is this package's.
* Only files of this machine are read, and state files of at most 1 MiB.
"""

from tfckpt_reader.compat.dtypes import DType, as_dtype
from tfckpt_reader.compat.errors import DataLossError, NotFoundError, OpError
from tfckpt_reader.compat.reader import (
    CheckpointReader,
    NewCheckpointReader,
    list_variables,
    load_checkpoint,
    load_variable,
)
from tfckpt_reader.compat.state import (
    CheckpointState,
    checkpoint_exists,
    checkpoints_iterator,
    get_checkpoint_mtimes,
    get_checkpoint_state,
    latest_checkpoint,
)


def install(*, force: bool = False) -> None:
    """Make ``import tensorflow`` mean this package, in this process.

    Args:
        force: Do so where TensorFlow itself could be imported, too.

    Raises:
        ImportError: TensorFlow is imported already, or could be.
    """
    from tfckpt_reader.compat import stand_in

    stand_in.install(force=force)


__all__ = [
    "CheckpointReader",
    "CheckpointState",
    "DType",
    "DataLossError",
    "NewCheckpointReader",
    "NotFoundError",
    "OpError",
    "as_dtype",
    "checkpoint_exists",
    "checkpoints_iterator",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "install",
    "latest_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]
