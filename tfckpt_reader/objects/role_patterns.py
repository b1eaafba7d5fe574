"""Roles by names alone: the names that optimizers, layers and training loops give their tensors.

Knows no checkpoint: one name at a time. Sources: ``python/training`` and ``contrib/opt`` of
TensorFlow 1, ``optimizer_v2`` of Keras 2, ``keras/src/optimizers`` of Keras 3, the optimizers of
BERT, Mesh TensorFlow and tensor2tensor, the batch norm of tensorpack, the averages of Sonnet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from math import prod
from typing import NamedTuple, TypeAlias

from tfckpt_reader.objects.paths import object_path
from tfckpt_reader.tensor.dtypes import DataType

Shape: TypeAlias = "Sequence[int]"


class Kind(str, Enum):
    """Use of a tensor."""

    WEIGHT = "weight"
    STATISTICS = "batch-norm statistics"
    AVERAGE = "moving average"
    SLOT = "optimizer slot"
    OPTIMIZER = "optimizer state"
    STEP = "step or counter"
    METRIC = "metric"
    RNG = "random state"
    TABLE = "lookup table"
    ITERATOR = "iterator state"
    PYTHON = "Python state"
    CONFIG = "layer configuration"
    GRAPH = "object graph"
    COPY = "copy"
    OTHER = "other"

    __str__ = str.__str__


AVERAGE = "average"
"""Slot with the moving average of a weight."""


class Guess(NamedTuple):
    """A role by a name."""

    kind: Kind
    of: str = ""
    """Name of its weight, without the scope of the optimizer; it need not be that of a tensor."""
    slot: str = ""


def is_scalar(dtype: DataType, shape: Shape) -> bool:
    """Return whether a tensor is one number."""
    return prod(shape) == 1 and bool(dtype.itemsize)


def is_float(dtype: DataType) -> bool:
    """Return whether numbers of a type can be weights: floating-point or complex ones."""
    return any(word in str(dtype) for word in ("float", "complex"))


def _is_integer(dtype: DataType, _: Shape) -> bool:
    return "int" in str(dtype)


def _is_array(dtype: DataType, shape: Shape) -> bool:
    return bool(shape and dtype.itemsize)


def _is_any(_: DataType, _shape: Shape) -> bool:
    return True


_CLASSES = (
    "AdaBelief|Adadelta|AdaDelta|Adafactor|AdafactorOptimizer|Adagrad|AdagradDA|AdaGrad|Adam|AdamW|"
    "Adamax|AdaMax|AdamWeightDecay|AddSign|COCOB|ConditionalGradient|ElasticAverage|Ftrl|FtrlProx|"
    "GradientDescent|GGT|Lamb|LAMB|LARS|LazyAdam|Lion|Lookahead|Momentum|MomentumW|MultistepAdam|"
    "Muon|NAdam|Nadam|NovoGrad|Novograd|PowerSign|ProximalAdagrad|ProximalYogi|RAdam|"
    "RectifiedAdam|RMSProp|RMSprop|SGD|SGDW|Shampoo|SM3|Yogi|YellowFin"
)
"""Optimizers, as TensorFlow 1 and Keras 2 name them."""
_KERAS_3 = (
    "adadelta|adafactor|adagrad|adam|adam_w|adamax|ftrl|lamb|lion|loss_scale_optimizer|muon|nadam|"
    "rm_sprop|rmsprop|schedule_free_adam_w|sgd"
)
_SLOTS = (
    "accum_grad|accum_var|accumulated_delta_var|accumulated_grad|accumulator|average|"
    "average_gradient|c|gradient_accumulator|linear|m|mg|momentum|norm|r|rms|slow|u|v|velocity|"
    "velocity_hat|vhat|v_hat|vr|vc"
)
_COUNTER = (
    "steps?|iters?|iterations?|iterations_per_loop|counter|counts?|epochs?|num_updates|updates|"
    "seen|num_samples|examples_seen|tokens_seen"
)
_AVERAGES = "ExponentialMovingAverage|EMA|ema|SWA|MovingAverage"
_STATISTICS = "(?:moving|running|pop|renorm)_(?:mean|var|variance|std|stddev)(?:_weight)?"
_RANDOM = "seed_generator_state|_?state_var|StateVar|rng_state|_?rng|(?:random_)?seed"
_METRICS = "metrics|_metrics|_loss_tracker|_compile_metrics"
_TALLIES = "(?:true|false)_(?:positives|negatives)|total_confusion_matrix"
_SETTINGS = (
    "beta_?[12]_power|beta_[12]|(?:current_)?learning_rate|lr|decay|rho|weight_decay|momentum|"
    "epsilon|(?:current_)?loss_scale|dynamic_scale|good_steps|momentum_cache"
)
_WEIGHTS = (
    "kernel|weights?|w|bias(?:es)?|b|gamma|beta|scale|offset|embeddings?|filters?|matrix|alpha"
)
_N = r"(?:_\d+)?"
"""TensorFlow makes names unique by a number."""
_PATH = "(?:.*/)?"
_TF1, _KERAS, _EITHER = "tf1", "keras", "either"
"""Scopes: of an optimizer of TensorFlow 1 or Keras 2, of one of Keras 3, of any."""
_SCOPE = rf"(?:(?P<{_TF1}>(?:training{_N}/)?(?:{_CLASSES}){_N})|(?P<{_KERAS}>(?:{_KERAS_3}){_N}))/"
"""Begin of the names of an optimizer's values."""

_PATTERNS: tuple[tuple[Kind, str, str, Callable[[DataType, Shape], bool]], ...] = (
    (Kind.SLOT, "", r"(?P<of>.+)/\.OPTIMIZER_SLOT/(?:.*/)?(?P<slot>[^/]+)", _is_any),
    (Kind.SLOT, "", rf"{_PATH}[^/]*optimizer{_N}/_variables/\d+", _is_array),
    (Kind.STATISTICS, "", rf"{_PATH}(?:mean|variance)/EMA", _is_array),
    (Kind.SLOT, "", rf"(?P<of>.+)/(?P<slot>(?:{_CLASSES})(?:Optimizer)?{_N})", _is_any),
    (Kind.SLOT, "", rf"(?P<of>.+)/(?P<slot>(?:adam|lamb|lars)_(?:m|v|vr|vc){_N})", _is_any),
    (Kind.SLOT, "", rf"(?P<of>.+)_slot_(?P<slot>m|v|vr|vc|acc){_N}", _is_any),
    (Kind.SLOT, _TF1, rf"(?P<of>.+)/(?P<slot>{_SLOTS}){_N}", _is_any),
    (Kind.SLOT, _TF1, rf"(?P<slot>{_SLOTS})/(?P<of>.+)", _is_any),
    (Kind.SLOT, _KERAS, rf"(?P<of>.+?)_(?P<slot>{_SLOTS})", _is_any),
    (Kind.AVERAGE, "", rf"(?P<of>.+)/(?:{_AVERAGES}){_N}", _is_any),
    (Kind.AVERAGE, "", rf"{_PATH}ema(?:_[^/]*)?/(?:average|_hidden)", _is_any),
    (Kind.STATISTICS, "", rf"(?:.*[/_])?{_STATISTICS}{_N}(?:/biased)?", _is_any),
    (Kind.METRIC, "", rf"{_PATH}(?:{_METRICS})/.+", _is_any),
    (Kind.METRIC, "", rf"{_PATH}(?:{_TALLIES}){_N}", _is_any),
    (Kind.RNG, "", rf"{_PATH}(?:{_RANDOM}){_N}", _is_integer),
    (Kind.OPTIMIZER, "", rf"{_PATH}_?(?P<slot>{_SETTINGS}){_N}", is_scalar),
    (Kind.STEP, _EITHER, rf"(?P<slot>_?(?:{_COUNTER})){_N}", is_scalar),
    (Kind.STEP, "", rf"(?:.*[/_])?(?:{_COUNTER}){_N}", is_scalar),
    (Kind.WEIGHT, "", rf"{_PATH}_?trainable_variables/\d+", _is_any),
    (Kind.SLOT, _EITHER, r".+", _is_array),
    (Kind.OPTIMIZER, _EITHER, r".+", _is_any),
    (Kind.WEIGHT, "", rf"(?:.*[/_])?(?:{_WEIGHTS}){_N}", _is_any),
)
"""Kind; the scope before the pattern, "" for none; whole name; and a condition on the tensor.

The first that fits counts.
"""


class _Compiled(NamedTuple):
    scope: re.Pattern[str]
    rows: tuple[tuple[Kind, str, re.Pattern[str], Callable[[DataType, Shape], bool]], ...]
    """As in the table."""
    unscoped: re.Pattern[str]
    """Any of the patterns for whole names, each in a group of its own."""
    numbers: tuple[int, ...]
    """Number of such a group, less one -> number of its row."""


@cache
def _compiled() -> _Compiled:
    # Compiling takes a few milliseconds: not at the import.
    numbers = tuple(n for n, (_, scope, *_) in enumerate(_PATTERNS) if not scope)
    texts = (re.sub(r"\(\?P<\w+>", "(?:", _PATTERNS[n][2]) for n in numbers)
    rows = ((kind, scope, re.compile(text), fits) for kind, scope, text, fits in _PATTERNS)
    unscoped = re.compile("|".join(f"({text})" for text in texts))
    return _Compiled(re.compile(_SCOPE), tuple(rows), unscoped, numbers)


def guess(name: str, dtype: DataType, shape: Shape) -> Guess | None:
    """Return the role that a name stands for; None for a name without a pattern."""
    scope, rows, unscoped, numbers = _compiled()
    texts = {"": name}
    if scoped := scope.match(name):
        texts[scoped.lastgroup or ""] = texts[_EITHER] = name[scoped.end() :]
    else:  # most names: one search instead of one for each pattern
        first = unscoped.fullmatch(name)
        rows = rows[numbers[(first.lastindex or 1) - 1] :] if first else ()
    for kind, within, pattern, fits in rows:
        match = pattern.fullmatch(texts[within]) if within in texts else None
        if match is not None and fits(dtype, shape):
            groups = match.groupdict()
            slot = groups.get("slot") or ""
            its_kind = Kind.AVERAGE if slot == AVERAGE else kind
            return Guess(its_kind, groups.get("of") or "", slot)
    return None


def is_slot(name: str, dtype: DataType, shape: Shape) -> bool:
    """Return whether a key is that of an optimizer's value, as far as its name tells."""
    found = guess(object_path(name) or name, dtype, shape)
    return found is not None and (found.kind in (Kind.SLOT, Kind.OPTIMIZER) or bool(found.slot))
