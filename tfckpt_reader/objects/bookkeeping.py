"""Tensors that an object graph keeps for itself: messages and texts, no values of a model.

Knows no file. FORMAT 6.2; TensorFlow ``python/trackable/constants.py``,
``python/trackable/python_state.py``, ``python/data/ops/iterator_ops.py``. Attributes of objects
follow ``/.ATTRIBUTES/`` in a key, a text that no name of an object can contain.
"""

from __future__ import annotations

from tfckpt_reader.objects.paths import ATTRIBUTES, OBJECT_GRAPH
from tfckpt_reader.tensor.dtypes import DataType

_TEXTS = {
    "OBJECT_CONFIG_JSON": "configurations of Keras layers",
    "py_state": "state of Python objects",
    "PYTHON_STATE": "state of Python objects",
}
"""Attribute of an object, a string -> its contents."""
_ITERATORS = ("_STATE", "-state")
"""Endings of the keys of tf.data iterators, which are variants."""


def bookkeeping(name: str, dtype: DataType) -> str | None:
    """Return the contents of a tensor without values of the model; None for all other tensors."""
    if name == OBJECT_GRAPH:
        return "the object graph"
    if dtype is DataType.VARIANT and name.endswith(_ITERATORS):
        return "state of tf.data iterators"
    is_attribute = dtype is DataType.STRING and ATTRIBUTES in name
    return _TEXTS.get(name.rpartition(ATTRIBUTES)[2]) if is_attribute else None
