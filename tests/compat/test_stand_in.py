"""Scripts that import TensorFlow and only read checkpoints, run without it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import FIXTURES, ROOT

from tfckpt_reader.compat.__main__ import main
from tfckpt_reader.compat.stand_in import MODULES, MissingModuleError, MissingNameError, modules

FOLDER = str(FIXTURES / "saver_tf1")


def run_script(
    folder: Path, text: str, *arguments: str, options: tuple[str, ...] = ("--force",)
) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(text)
    command = [sys.executable, "-m", "tfckpt_reader.compat", *options, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_unmodified_script(tmp_path: Path) -> None:
    script = """
import json, sys
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python import pywrap_tensorflow
from tensorflow.python.training import checkpoint_utils, py_checkpoint_reader
from tensorflow.python.framework.errors_impl import NotFoundError
from helper import HELPED
v1.disable_v2_behavior()
v1.logging.set_verbosity(v1.logging.ERROR)
folder = sys.argv[1]
path = tf.train.latest_checkpoint(folder)
reader = pywrap_tensorflow.NewCheckpointReader(path)
assert reader.get_variable_to_dtype_map()["v1"] == tf.float32
assert checkpoint_utils.load_variable(folder, "v1:0").shape == (784, 200)
assert py_checkpoint_reader.NewCheckpointReader(path).has_tensor("v2")
try:
    reader.get_tensor("nothing")
except NotFoundError as error:
    assert isinstance(error, tf.errors.OpError)
assert tf.io.gfile.isdir(folder) and v1.gfile.Exists(path + ".index")
with tf.io.gfile.GFile(folder + "/checkpoint") as file:
    assert file.read().startswith("model_checkpoint_path")
print(json.dumps([HELPED, sys.argv, __name__, tf.train.list_variables(folder)]))
"""
    (tmp_path / "helper.py").write_text("HELPED = 'yes'\n")
    done = run_script(tmp_path, script, FOLDER, "--flag")
    assert done.stderr == ""
    helped, arguments, name, variables = json.loads(done.stdout)
    assert (done.returncode, helped, name) == (0, "yes", "__main__")
    assert arguments == [str(tmp_path / "script.py"), FOLDER, "--flag"]
    assert variables[0] == ["global_step", []]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import tensorflow as tf; tf.keras.Model()", "tensorflow.keras"),
        ("from tensorflow import nn", "tensorflow.nn"),
        ("from tensorflow.python.ops import math_ops", "tensorflow.python.ops"),
    ],
)
def test_anything_else_is_one_line(tmp_path: Path, line: str, name: str) -> None:
    done = run_script(tmp_path, f"# first\n{line}\n")
    assert done.returncode == 2
    assert done.stdout == ""
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"{tmp_path / 'script.py'}:2: ")
    assert message.endswith(name)


def test_scripts_can_catch_what_is_missing(tmp_path: Path) -> None:
    script = """
import importlib.util
import tensorflow as tf
assert not hasattr(tf, "keras")
try:
    import tensorflow.keras
except ImportError:
    print("caught")
assert importlib.util.find_spec("tensorflow") is not None
assert importlib.util.find_spec("os") is not None
"""
    done = run_script(tmp_path, script)
    assert (done.stdout, done.stderr, done.returncode) == ("caught\n", "", 0)


def test_exceptions_and_exit_codes_of_the_script_are_its_own(tmp_path: Path) -> None:
    assert run_script(tmp_path, "import sys; sys.exit(7)").returncode == 7
    done = run_script(tmp_path, "raise ValueError('mine')")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ValueError: mine")


def test_tensorflow_itself_is_not_replaced(tmp_path: Path) -> None:
    real = tmp_path / "tensorflow"
    real.mkdir()
    (real / "__init__.py").write_text("REAL = True\n")
    text = "import sys; sys.path.insert(0, {!r}); import tfckpt_reader.compat as c; {}"
    for body, error in (
        ("c.install()", "installed here"),
        ("import tensorflow; c.install(force=True)", "imported already"),
    ):
        code = text.format(str(tmp_path), body)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert "ImportError" in done.stderr
        assert error in done.stderr
    code = text.format(str(tmp_path), "c.install(force=True); c.install(); import tensorflow as t")
    code += "; print(t.train.list_variables.__module__, hasattr(t, 'REAL'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.split() == [b"tfckpt_reader.compat.reader", b"False"]


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 2), (["--wrong"], 2), (["/no/such.py"], 2), (["--help"], 0)]
)
def test_wrong_calls(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr()
    assert (len(printed.err.splitlines()), bool(printed.out)) == ((1, False) if code else (0, True))


def test_every_module_is_reached_from_the_top() -> None:
    made = modules()
    for full, names in MODULES.items():
        found = made["tensorflow"]
        for step in full.split(".")[1:]:
            found = getattr(found, step)
        assert found is made[full]
        assert names.items() <= vars(found).items()
        with pytest.raises(MissingNameError, match=full):
            _ = found.no_such_name
    assert issubclass(MissingNameError, AttributeError)
    assert issubclass(MissingModuleError, ImportError)


def test_the_code_of_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "compat.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(code, {})  # noqa: S102
