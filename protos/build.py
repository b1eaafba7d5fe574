"""Compile the .proto files into the descriptor set that the package ships.

Run it after a change: ``python protos/build.py`` (needs grpcio-tools). A test does the same into
memory and fails when the shipped file is stale.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "tfckpt_reader" / "protobuf" / "descriptors.binpb"
FILES = ("bundle.proto", "tensor_slices.proto", "state.proto", "graph.proto", "graph_text.proto")
"""In order of import: a file after those it needs."""


def compile_protos() -> bytes:
    """Return the serialized FileDescriptorSet of FILES."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors.binpb"
        status = protoc.main(
            [
                "protoc",
                # Files are known under the package's own path, so that they can never meet
                # TensorFlow's in one pool.
                f"--proto_path=tfckpt_reader={HERE}",
                f"--descriptor_set_out={out}",
                *(f"tfckpt_reader/{name}" for name in FILES),
            ]
        )
        if status:
            raise SystemExit(status)
        return out.read_bytes()


if __name__ == "__main__":
    SHIPPED.write_bytes(compile_protos())
    sys.stdout.write(f"{SHIPPED.name}: {SHIPPED.stat().st_size} bytes\n")
