"""Roles by names alone: one search for all patterns finds what each by itself does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.objects import role_patterns
from tfckpt_reader.objects.role_patterns import Guess, Kind, Shape, guess
from tfckpt_reader.tensor.dtypes import DataType

WORDS = (
    *("Adam", "Adam_1", "adam_m", "adam", "Momentum", ".OPTIMIZER_SLOT", "_optimizer_variables"),
    *("optimizer", "_variables", "3", "mean", "EMA", "ema_x", "average", "moving_mean", "biased"),
    *("batch_norm_moving_variance", "moving_average_weight", "metrics", "total", "true_positives"),
    *("seed_generator_state", "rng_state", "_slot_", "m", "v_2", "w", "kernel", "kernel_1", "bias"),
    *("beta1_power", "learning_rate", "iteration", "global_step", "step", "step_5", "layer_1"),
    *("trainable_variables", "training", "SGD", "rmsprop", "dense_kernel_velocity", "dense_slot_m"),
    *("x", "é", "名"),
)
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).flatmap(
    lambda words: st.sampled_from(["/".join(words), "_".join(words), "\n".join(words)])
)
TENSORS: st.SearchStrategy[tuple[DataType, Shape]] = st.tuples(
    st.sampled_from([DataType.FLOAT32, DataType.INT64, DataType.STRING]),
    st.sampled_from([(2, 3), ()]),
)


def one_by_one(name: str, dtype: DataType, shape: Shape) -> Guess | None:
    scope, rows, _, _ = role_patterns._compiled()
    scoped = scope.match(name)
    rest = name[scoped.end() :] if scoped else ""
    for kind, within, pattern, fits in rows:
        if within and (not scoped or within not in (scoped.lastgroup, "either")):
            continue
        match = pattern.fullmatch(rest if within else name)
        if match and fits(dtype, shape):
            slot = match.groupdict().get("slot") or ""
            its_kind = Kind.AVERAGE if slot == "average" else kind
            return Guess(its_kind, match.groupdict().get("of") or "", slot)
    return None


@given(NAMES, TENSORS)
def test_one_search_finds_the_first_pattern(name: str, tensor: tuple[DataType, Shape]) -> None:
    assert guess(name, *tensor) == one_by_one(name, *tensor)
