"""PyTorch models that the loaders of transformers fill from `fixtures/transformers_models`.

A script that writes the digests of their parameters to a file. With TensorFlow, it made the record:

    python tests/support/transformers_models.py fixtures/transformers_models/parameters.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "transformers_models"
RECORD = FOLDER / "parameters.json"
"""Model -> parameter -> SHA-256, as `digests` returned with TensorFlow 2.21.0, torch 2.13.0 and
transformers 4.57.1."""
_SIZES = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 11,
    "max_position_embeddings": 10,
}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertConfig", "BertForPreTraining", _SIZES),
    "albert": ("AlbertConfig", "AlbertForPreTraining", {**_SIZES, "embedding_size": 6}),
    "electra": ("ElectraConfig", "ElectraForPreTraining", {**_SIZES, "embedding_size": 6}),
    "gpt2": (
        "GPT2Config",
        "GPT2Model",
        {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 11, "n_positions": 10},
    ),
    "t5": (
        "T5Config",
        "T5ForConditionalGeneration",
        {
            "d_model": 8,
            "d_ff": 12,
            "d_kv": 4,
            "num_heads": 2,
            "num_layers": 2,
            "vocab_size": 11,
            "relative_attention_num_buckets": 4,
        },
    ),
}
"""Each model: names of its configuration and its class, and the sizes of its fixture."""


def load(name: str) -> dict[str, Any]:
    """Return the parameters of a model after its loader has read the fixture."""
    transformers = import_module("transformers")
    config, model, sizes = MODELS[name]
    made = getattr(transformers, config)(**sizes)
    filled = getattr(transformers, model)(made)
    module = import_module(f"transformers.models.{name}.modeling_{name}")
    getattr(module, f"load_tf_weights_in_{name}")(filled, made, str(FOLDER / name / "model.ckpt"))
    return {key: value.detach().numpy() for key, value in filled.state_dict().items()}


def digests(name: str) -> dict[str, str]:
    """Return SHA-256 of the bytes of each parameter in C order, by its name."""
    return {
        key: hashlib.sha256(value.astype(value.dtype.newbyteorder("<")).tobytes()).hexdigest()
        for key, value in load(name).items()
    }


if __name__ == "__main__":
    found = {name: digests(name) for name in MODELS}
    Path(sys.argv[1]).write_text(
        json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="ascii"
    )
