"""Checkpoints as PyTorch tensors, bit for bit what TensorFlow reads."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from oracles import ORACLES, QUANTISED

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.torch import load_checkpoint

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("torch")]

EVERY = ORACLES["every_dtype"]["checkpoints"][0]["variables"]
WIDENED = {
    **dict.fromkeys(("int4", "int2"), "int8"),
    **dict.fromkeys(("uint4", "uint2"), "uint8"),
    **dict.fromkeys(("float8_e4m3b11fnuz", "float4_e2m1fn"), "float32"),
}


def content(torch: Any, tensor: Any) -> bytes:
    return bytes(tensor.reshape(-1).view(torch.uint8).numpy())


def test_every_dtype_keeps_its_bits(torch: Any, numbers: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_checkpoint(numbers)
    kept = 0
    for name, tensor in found.items():
        record = EVERY[name]
        assert list(tensor.shape) == record["shape"]
        assert tensor.is_contiguous()
        assert tensor.device.type == "cpu"
        dtype = QUANTISED.get(record["dtype"], record["dtype"])
        assert str(tensor.dtype) == f"torch.{WIDENED.get(dtype, dtype)}"
        if dtype not in WIDENED:
            assert hashlib.sha256(content(torch, tensor)).hexdigest() == record["sha256"]
            kept += 1
    assert kept > 60
    assert {str(tensor.dtype) for tensor in found.values()} >= {
        *("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2", "torch.uint64"),
        *("torch.float8_e4m3fnuz", "torch.float8_e5m2fnuz", "torch.bool", "torch.complex128"),
    }


def test_what_pytorch_lacks_is_widened_exactly(numbers: Path) -> None:
    found = load_checkpoint(numbers)
    with tfckpt.open(numbers) as ckpt:
        for name, spec in ckpt.specs.items():
            if str(spec.dtype) in WIDENED:
                expected = ckpt[name].astype("float64")
                np.testing.assert_array_equal(found[name].double().numpy(), expected)


def test_tensors_are_owned_and_writable(torch: Any, tmp_path: Path) -> None:
    w.write_bundle(
        tmp_path / "p", {"a": np.arange(4, dtype=np.float32), "s": np.array(2, np.float32)}
    )
    for mine in (load_checkpoint(tmp_path / "p"), load_checkpoint(tmp_path / "p", device="cpu")):
        mine["a"] += 1
        assert mine["a"].tolist() == [1, 2, 3, 4]
        assert mine["s"].shape == ()
    assert load_checkpoint(tmp_path / "p")["a"].tolist() == [0, 1, 2, 3]
    assert isinstance(mine["a"], torch.Tensor)


def test_another_device(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.arange(4, dtype=np.float32)})
    assert load_checkpoint(tmp_path / "p", device="meta")["a"].device.type == "meta"
    with pytest.raises(RuntimeError):
        load_checkpoint(tmp_path / "p", device="no such device")


def test_a_state_dict_goes_round(torch: Any, tmp_path: Path) -> None:
    """In bfloat16, NaNs with payloads and all."""
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.LayerNorm(7), torch.nn.Linear(7, 2))
    model = model.to(torch.bfloat16)
    patterns = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16)
    model.register_buffer("all", patterns.view(torch.bfloat16))
    state = model.state_dict()
    raw = {name: w.Raw(14, tuple(t.shape), content(torch, t)) for name, t in state.items()}
    w.write_bundle(tmp_path / "p", raw)
    found = load_checkpoint(tmp_path / "p")
    assert found.keys() == state.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.bfloat16
        assert torch.equal(tensor.view(torch.int16), state[name].view(torch.int16))
    x = torch.ones(3, 5, dtype=torch.bfloat16)
    before = model(x)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.load_state_dict(found, strict=True)
    assert torch.equal(model(x), before)


def test_damage_is_an_error(torch: Any, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.arange(4, dtype=np.float32)})
    shard = tmp_path / "p.data-00000-of-00001"
    shard.write_bytes(b"\1" + shard.read_bytes()[1:])
    with pytest.raises(tfckpt.ChecksumError):
        load_checkpoint(tmp_path / "p")
