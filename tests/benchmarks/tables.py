"""Print docs/performance.md, measured on this machine.

    python tests/benchmarks/tables.py --work FOLDER --tensorflow PYTHON > docs/performance.md

PYTHON is the interpreter of an environment with TensorFlow. FOLDER should lie on a disk, with room
for three times the largest checkpoint; what is made there is removed. Linux only. `--quick` only
shows that all of it runs, `--only TITLE` makes a part.

Each figure is the median of several processes; the files have been read before (a warm cache).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
MB = 10**6

HARNESS = """
import json, os, re, sys, time
prefix, name, warm = sys.argv[1:]
def memory(key):
    return int(re.search(key + r":\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
def descriptors(): return len(os.listdir("/proc/self/fd"))
def synced(path):
    fd = os.open(path, os.O_RDONLY); os.fsync(fd); os.close(fd)
def measured(work):
    open("/proc/self/clear_refs", "w").write("5")  # forget the peak so far
    before, begin = memory("VmRSS"), time.perf_counter()
    found = work()
    seconds, nbytes = time.perf_counter() - begin, memory("VmHWM") - before
    print(json.dumps([seconds, nbytes, found if isinstance(found, int) else None]))
"""
OURS = f"""{HARNESS}
import numpy as np, tfckpt_reader as t
t.open(warm)[next(iter(t.open(warm)))]
"""
THEIRS = f"""{HARNESS}
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
load = tf.train.load_checkpoint
load(warm).get_tensor(next(iter(load(warm).get_variable_to_shape_map())))
"""
LIMITS = """
import mmap, threading, zlib
import crc32c, numpy as np
def rate(work, threads=1, size=1 << 28):
    def several():
        found = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        [each.start() for each in found]; [each.join() for each in found]
    several(); begin = time.perf_counter(); several()
    return threads * size / (time.perf_counter() - begin)
a = [np.ones(1 << 28, "u1") for _ in range(2)]; b = [np.zeros(1 << 28, "u1") for _ in range(2)]
def copy(i): np.copyto(b[i], a[i])
def crc(i): crc32c.crc32c(a[i])
def ieee(i): zlib.crc32(a[i])
path = prefix + ".limit"
def write(_):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for at in range(0, 1 << 28, 1 << 20): os.write(fd, a[0][at : at + (1 << 20)])
    os.fsync(fd); os.close(fd)
def read(i):
    fd, into = os.open(path, os.O_RDONLY), memoryview(mmap.mmap(-1, 1 << 20))
    for at in range(0, 1 << 28, 1 << 20): os.preadv(fd, [into], at)
    os.close(fd)
found = {"copying memory": [rate(copy), rate(copy, 2)], "crc-32c": [rate(crc), rate(crc, 2)],
    "crc-32 of zip": [rate(ieee), rate(ieee, 2)], "writing, with fsync": [rate(write), None],
    "reading what is cached": [rate(read), rate(read, 2)]}
os.unlink(path)
print(json.dumps(found))
"""


class Options(NamedTuple):
    """The command line, parsed."""

    work: Path
    tensorflow: str | None
    quick: bool
    only: str = ""
    """Part of the titles of the tables to make."""

    @property
    def runs(self) -> int:
        return 1 if self.quick else 5


class Measured(NamedTuple):
    """Medians of several runs."""

    seconds: float
    nbytes: float
    """Memory at its peak: above what was there before, or of the whole process."""
    said: int | None = None


def made(options: Options, kind: str, number: int) -> str:
    """Return the prefix of a checkpoint, made in a process of its own: this one stays small."""
    prefix = options.work / f"{kind}-{number}"
    if not os.path.exists(f"{prefix}.index"):
        command = [sys.executable, str(HERE / "make.py"), kind, str(prefix), str(number)]
        subprocess.run(command, check=True)
    return str(prefix)


def inside(
    options: Options,
    work: str,
    prefix: str,
    name: str = "",
    *,
    ours: bool = True,
    again: bool = False,
) -> Measured | None:
    """Measure an expression in processes that are warm: all is imported, and something was read.

    With `again`, it is measured the second time: what only such work needs is imported, too.
    """
    python = sys.executable if ours else options.tensorflow
    if python is None:
        return None
    code = f"{OURS if ours else THEIRS}\n{work if again else ''}\nmeasured(lambda: {work})"
    command = [python, "-c", code, prefix, name, made(options, "index", 1000)]
    found = []
    for _ in range(options.runs):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    seconds, nbytes, said = zip(*found, strict=True)
    return Measured(median(seconds), median(nbytes), said[-1])


def median(numbers: Sequence[float]) -> float:
    """Return the one in the middle. The module for it would be more than a copy of a file takes."""
    return sorted(numbers)[len(numbers) // 2]


def whole(command: Sequence[str], target: Path, runs: int, cores: int = 2) -> Measured:
    """Measure whole processes on some cores, from a settled disk; what they wrote is removed."""
    seconds, nbytes = [], []
    allowed = os.sched_getaffinity(0)
    for _ in range(runs):
        os.sync()
        begin = time.perf_counter()
        os.sched_setaffinity(0, sorted(allowed)[:cores])
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(0, allowed)
        _, status, usage = os.wait4(child.pid, 0)
        seconds.append(time.perf_counter() - begin)
        nbytes.append(1024 * usage.ru_maxrss)
        if status:
            raise RuntimeError(f"{command} failed")
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    return Measured(median(seconds), median(nbytes))


# -- text ------------------------------------------------------------------------------------------


def time_text(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if measured.seconds * factor >= 1:
            return f"{measured.seconds * factor:.3g} {unit}"
    return f"{measured.seconds * 1e6:.0f} µs"


def size_text(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    megabytes = max(0, measured.nbytes) / MB
    return f"{megabytes:,.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


def table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
        print("measured:", *row, file=sys.stderr)
    yield ""


# -- the tables ------------------------------------------------------------------------------------


def limits(options: Options) -> Iterator[str]:
    done = subprocess.run(
        [sys.executable, "-c", HARNESS + LIMITS, str(options.work / "x"), "", ""],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[float | None]] = json.loads(done.stdout)
    rates = (
        (what, *("-" if rate is None else f"{rate / 1e9:.2g} GB/s" for rate in rates))
        for what, rates in found.items()
    )
    yield from table(("limit of this machine", "1 thread", "2 threads"), rates)


def index(options: Options) -> Iterator[str]:
    head = ("tensors", "index", "open", "open, first tensor", "open, list all", "memory")
    their_head = ("TensorFlow: open, first tensor", "open, list all", "memory")

    def row(count: int) -> Iterator[object]:
        prefix = made(options, "index", count)
        name = f"model/layer_{count // 200:05d}/block_00/weights"
        listed = inside(options, "list(t.open(prefix).specs.items())", prefix)
        yield from (f"{count:,}", f"{os.path.getsize(prefix + '.index') / MB:.2g} MB")
        yield time_text(inside(options, "t.open(prefix)", prefix))
        yield time_text(inside(options, "t.open(prefix)[name]", prefix, name))
        yield from (time_text(listed), size_text(listed))
        theirs = partial(inside, options, ours=False)
        yield time_text(theirs("load(prefix).get_tensor(name)", prefix, name))
        their_list = theirs("list(load(prefix).get_variable_to_shape_map().items())", prefix)
        yield from (time_text(their_list), size_text(their_list))

    counts = (10**3, 10**4) if options.quick else (10**3, 10**4, 10**5, 10**6)
    yield from table((*head, *their_head), (tuple(row(count)) for count in counts))


def shards(options: Options) -> Iterator[str]:
    head = ("data files", "read all, mapped", "read all, not mapped", "verify", "to .npz")
    every = "[c[n][0] for c in [t.open(prefix{})] for n in c]"
    opened = "max(descriptors() for c in [t.open(prefix)] for n in c if c[n].size) - descriptors()"

    def row(count: int) -> Iterator[object]:
        prefix = made(options, "shards", count)
        yield f"{count:,}"
        for how in ("", ", mmap=False"):
            yield time_text(inside(options, every.format(how), prefix))
        yield time_text(inside(options, "t.verify(prefix)", prefix))
        to_npz = "t.convert(prefix, prefix + '.npz', force=True)"
        yield time_text(inside(options, to_npz, prefix))
        most = inside(options._replace(quick=True), opened, prefix)
        yield "-" if most is None else most.said
        names = "r.get_variable_to_shape_map()"
        theirs = f"[r.get_tensor(n)[0] for r in [load(prefix)] for n in {names}]"
        yield time_text(inside(options, theirs, prefix, ours=False))

    counts = (1, 64) if options.quick else (1, 64, 4096)
    heads = (*head, "files open at once", "TensorFlow: read all")
    yield from table(heads, (tuple(row(count)) for count in counts))


def rows_only(options: Options) -> Iterator[str]:
    piece, far = made(options, "pieces", 1000), made(options, "far", 1000)
    read = "t.open(prefix{}).read('t', rows=slice({}))"
    cases = (
        ("8 rows of one piece of 1,000, of 66 MB in all", piece, "128000, 128008"),
        ("the last row of a sparse terabyte", far, "-1, None"),
    )

    def row(what: str, prefix: str, rows: str) -> Iterator[object]:
        yield what
        for how in ("", ", mmap=False"):
            found = inside(options, read.format(how, rows), prefix, again=True)
            yield from (time_text(found), size_text(found))

    heads = ("open, and read", "mapped", "memory", "not mapped", "memory")
    yield from table(heads, (tuple(row(*case)) for case in cases))


SAVEZ = """
import os, sys; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
r = tf.train.load_checkpoint(sys.argv[1])
with open(sys.argv[2], "wb") as file:
    np.savez(file, **{n: r.get_tensor(n) for n in r.get_variable_to_shape_map()})
    os.fsync(file.fileno())
"""
OUR_SAVEZ = """
import os, sys, numpy as np, tfckpt_reader
with tfckpt_reader.open(sys.argv[1]) as ckpt, open(sys.argv[2], "wb") as file:
    np.savez(file, **{name: ckpt[name] for name in ckpt})
    os.fsync(file.fileno())
"""
SAVE_FILE = """
import os, sys, safetensors.numpy, tfckpt_reader
with tfckpt_reader.open(sys.argv[1]) as ckpt:
    safetensors.numpy.save_file({name: ckpt[name] for name in ckpt}, sys.argv[2])
os.fsync(os.open(sys.argv[2], os.O_RDONLY))
"""


def data(options: Options) -> Iterator[str]:
    """Yield the table of verification and conversion, and of others that write as much."""
    out = options.work / "out"
    ours = {
        "verify": ["verify"],
        "to .npz": ["convert", "--format=npz"],
        "to .safetensors": ["convert", "--format=safetensors"],
        "to a folder of .npy": ["convert", "--format=npy"],
    }

    def measured(what: str, command: list[str], megabytes: int, cores: int) -> Sequence[object]:
        found = whole(command, out, 3 if megabytes > 1000 else options.runs, cores)
        nbytes = os.path.getsize(made(options, "weights", megabytes) + ".data-00000-of-00001")
        rate = f"{nbytes / found.seconds / 1e9:.2g} GB/s"
        size = f"{nbytes / 1e9:.{1 if nbytes > 10 * MB else 3}f} GB"
        return what, size, cores, time_text(found), rate, size_text(found)

    def rows(megabytes: int) -> Iterator[Sequence[object]]:
        prefix = made(options, "weights", megabytes)
        for what, words in ours.items():
            target = [str(out)] if words[0] == "convert" else []
            ours_at = [sys.executable, "-m", "tfckpt_reader"]
            command = [*ours_at, *words[:1], prefix, *target, *words[1:]]
            for cores in (1, 2):
                yield measured(what, command, megabytes, cores)
        copy = ["sh", "-c", 'cp "$0" "$1" && sync "$1"', f"{prefix}.data-00000-of-00001", str(out)]
        *copied, _ = measured("`cp` and `sync`", copy, megabytes, 2)
        yield (*copied, "-")  # less than this process had when it began
        if megabytes > 1000:
            return  # these hold all of it in memory
        by_library = [sys.executable, "-c", SAVE_FILE, prefix, str(out)]
        yield measured("mapped arrays, safetensors' `save_file`", by_library, megabytes, 2)
        if options.tensorflow:
            savez = [options.tensorflow, "-c", SAVEZ, prefix, str(out)]
            yield measured("TensorFlow, `np.savez`", savez, megabytes, 2)

    heads = ("whole command", "of", "processors", "time", "rate", "memory at its peak")
    sizes = (10,) if options.quick else (100, 1000, 10_000)
    yield from table(heads, (row for size in sizes for row in rows(size)))


MADE = "(globals().get('made') or globals().setdefault('made', {{{}}}))"
OUR_ARRAYS = MADE.format("n: np.array(c[n]) for c in [t.open(prefix)] for n in c")
THEIR_ARRAYS = MADE.format(
    "n: tf.constant(r.get_tensor(n)) for r in [load(prefix)] for n in r.get_variable_to_shape_map()"
)
NEW = "f'{prefix}.{time.time()}'"
SAVE = f"t.save({NEW}, {OUR_ARRAYS})"
SAVE_V2 = f"""tf.raw_ops.SaveV2(prefix={NEW}, tensor_names=list({THEIR_ARRAYS}),
    shape_and_slices=[""] * len({THEIR_ARRAYS}), tensors=list({THEIR_ARRAYS}.values()))"""


def saving(options: Options) -> Iterator[str]:
    """Yield the table of saving arrays in memory."""

    def row(what: str, found: Measured | None, nbytes: int) -> Sequence[object]:
        rate = "-" if found is None else f"{nbytes / found.seconds / 1e9:.2g} GB/s"
        return what, f"{nbytes / 1e9:.2g} GB", time_text(found), rate, size_text(found)

    def rows(megabytes: int) -> Iterator[Sequence[object]]:
        prefix, out = made(options, "weights", megabytes), options.work / "out"
        data = f"{prefix}.data-00000-of-00001"
        nbytes = os.path.getsize(data)
        yield row("`tfckpt.save`", inside(options, SAVE, prefix, again=True), nbytes)
        theirs = inside(options, SAVE_V2, prefix, ours=False, again=True)
        yield row("TensorFlow's `SaveV2`, without fsync", theirs, nbytes)
        copy = ["sh", "-c", 'cp "$0" "$1" && sync "$1"', data, str(out)]
        *copied, _ = row("`cp` and `sync`", whole(copy, out, options.runs), nbytes)
        yield (*copied, "-")

    sizes = (10,) if options.quick else (1000,)
    heads = ("saving", "of", "time", "rate", "memory")
    yield from table(heads, (each for size in sizes for each in rows(size)))


USED = "sum(int(np.asarray({}).reshape(-1).view('u4').max()) > 0 for {})"
"""Each tensor once, its every byte."""
WEIGHTS = {
    "`ckpt[name]`, mapped, checked": USED.format("c[n]", "c in [t.open(prefix)] for n in c"),
    "`ckpt[name]`, mapped, not checked": USED.format(
        "c[n]", "c in [t.open(prefix, check=False)] for n in c"
    ),
    "`ckpt.read(name)`, checked": USED.format("c.read(n)", "c in [t.open(prefix)] for n in c"),
    "`ckpt.load()`, checked, all in memory": USED.format(
        "a", "d in [t.open(prefix).load()] for a in d.values()"
    ),
}
THEIR_WEIGHTS = USED.format(
    "r.get_tensor(n)", "r in [load(prefix)] for n in r.get_variable_to_shape_map()"
)
ALL_OF_THEIRS = USED.format(
    "a",
    "d in [{n: r.get_tensor(n) for r in [load(prefix)] for n in r.get_variable_to_shape_map()}] "
    "for a in d.values()",
)
LOAD_FILE = USED.format(
    "a",
    "d in [__import__('safetensors.numpy').numpy.load_file(prefix + '.safetensors')] "
    "for a in d.values()",
)


def weights(options: Options) -> Iterator[str]:
    """Yield the table of reading everything."""

    def rows(megabytes: int) -> Iterator[Sequence[object]]:
        prefix = made(options, "weights", megabytes)
        nbytes = os.path.getsize(f"{prefix}.data-00000-of-00001")
        to_safetensors = "t.convert(prefix, prefix + '.safetensors', force=True).nbytes"
        inside(options._replace(quick=True), to_safetensors, prefix)
        cases = [(what, work, True) for what, work in WEIGHTS.items()]
        cases += [
            ("TensorFlow's `get_tensor`, checked", THEIR_WEIGHTS, False),
            ("TensorFlow's `get_tensor`, all in memory", ALL_OF_THEIRS, False),
            ("safetensors' `load_file`, not checked", LOAD_FILE, True),
        ]
        for what, work, ours in cases:
            found = inside(options, work, prefix, ours=ours)
            rate = "-" if found is None else f"{nbytes / found.seconds / 1e9:.2g} GB/s"
            yield what, f"{nbytes / 1e9:.2g} GB", time_text(found), rate, size_text(found)
        os.unlink(f"{prefix}.safetensors")

    sizes = (10,) if options.quick else (1000,)
    heads = ("reading, and using each number", "of", "time", "rate", "memory")
    yield from table(heads, (each for size in sizes for each in rows(size)))


def tiny(options: Options) -> Iterator[str]:
    """Yield the table of converting many tiny tensors."""
    count = 1000 if options.quick else 100_000
    prefix, out = made(options, "index", count), options.work / "out"
    convert = [sys.executable, "-m", "tfckpt_reader", "convert", prefix, str(out)]
    commands = {f"to .{name}": [*convert, f"--format={name}"] for name in ("npz", "safetensors")}
    commands["mapped arrays, `np.savez`"] = [sys.executable, "-c", OUR_SAVEZ, prefix, str(out)]
    by_library = [sys.executable, "-c", SAVE_FILE, prefix, str(out)]
    commands["mapped arrays, safetensors' `save_file`"] = by_library

    def row(what: str, command: list[str]) -> Sequence[object]:
        found = whole(command, out, options.runs)
        return what, f"{count:,}", time_text(found), size_text(found)

    heads = ("whole command", "tensors", "time", "memory at its peak")
    yield from table(heads, (row(*case) for case in commands.items()))


COUNT = """
import os, sys; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from collections import Counter
from tensorflow.core.protobuf import meta_graph_pb2
graph = meta_graph_pb2.MetaGraphDef.FromString(open(sys.argv[1], "rb").read())
print(Counter(node.op for node in graph.graph_def.node))
"""


def graphs(options: Options) -> Iterator[str]:
    """Yield the table of describing and freezing graphs."""
    out = options.work / "out.pb"
    ours = [sys.executable, "-m", "tfckpt_reader"]
    sizes = (1, 1000, 10) if options.quick else (50, 10**6, 1000)
    trained, deep, dense = map(partial(made, options), ("training", "steps", "dense"), sizes)

    def row(what: str, of: str, command: list[str]) -> Sequence[object]:
        found = whole(command, out, options.runs)
        return what, of, time_text(found), size_text(found)

    def rows() -> Iterator[Sequence[object]]:
        yield row("`tfckpt meta`", f"{sizes[0]} MB", [*ours, "meta", f"{trained}.meta"])
        if options.tensorflow:
            command = [options.tensorflow, "-c", COUNT, f"{trained}.meta"]
            yield row("TensorFlow's protobuf, parse and count ops", f"{sizes[0]} MB", command)
        freeze = [*ours, "freeze"]
        command = [*freeze, deep, str(out), "--output=output"]
        yield row("`tfckpt freeze`", f"{sizes[1]:,} nodes", command)
        weights = f"{sizes[2]} MB of weights"
        yield row("`tfckpt freeze`", weights, [*freeze, dense, str(out)])
        copy = ["sh", "-c", 'cp "$0" "$1" && sync "$1"', f"{dense}.data-00000-of-00001", str(out)]
        *copied, _ = row("`cp` and `sync`", weights, copy)
        yield (*copied, "-")

    yield from table(("whole command", "of", "time", "memory at its peak"), rows())


# -- the page --------------------------------------------------------------------------------------

PAGE: tuple[tuple[str, str, Callable[[Options], Iterator[str]]], ...] = (
    ("The machine", "What it can do at most, in memory, over 256 MiB, and on its disk:", limits),
    (
        "The index",
        (
            "Tensors of 16 bytes. Opening reads the end of the index, one tensor a block or two of "
            "it; only a listing decodes everything. Memory is what came on top while listing."
        ),
        index,
    ),
    (
        "Data files",
        "4,096 tensors of 16 KiB, 67 MB. However many files there are, few are open at once.",
        shards,
    ),
    ("Rows", "Only their bytes are read. Memory is what came on top.", rows_only),
    (
        "All weights",
        (
            "In a process that is warm, from opening to the largest number of each tensor, which "
            "touches every byte. Memory is what came on top, with mapped pages of the file."
        ),
        weights,
    ),
    (
        "Verifying and converting",
        (
            "Whole commands, from the first instruction to the last, on one processor or two; all "
            "that write end with fsync. Memory is the whole process. Who holds all of it in memory "
            "is measured up to 1 GB."
        ),
        data,
    ),
    (
        "Many tiny tensors",
        "Tensors of 16 bytes, one file. All end with fsync. Memory is the whole process.",
        tiny,
    ),
    (
        "Saving",
        (
            "Arrays in memory, the second time in a process: the first takes TensorFlow several "
            "times as long. Memory is what came on top."
        ),
        saving,
    ),
    (
        "Graphs",
        (
            "Whole commands: a graph of a training with functions and collections is described; a "
            "recurrent network unrolled into many nodes, and dense layers, are frozen with fsync."
        ),
        graphs,
    ),
)


def machine(options: Options) -> str:
    """Return what was measured, when: its kind, and the versions of what took part."""
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":")[1].strip() for line in file if "model name" in line), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ["numpy", "protobuf", "crc32c", "safetensors"]
    packages += ["fastcrc"] if importlib.util.find_spec("fastcrc") else []
    found = [f"Python {sys.version.split()[0]}", *(_version(sys.executable, p) for p in packages)]
    if options.tensorflow:
        found.append(_version(options.tensorflow, "tensorflow"))
    kind = f"{os.cpu_count()} processors ({cpu}), {memory:.0f} GiB of memory"
    load = f"When it began, {os.getloadavg()[0]:.1f} other processes on average wanted a processor."
    return f"Measured on {time.strftime('%Y-%m-%d')}: {kind}; {', '.join(found)}. {load}"


def _version(python: str, module: str) -> str:
    code = (
        "import sys, importlib.metadata as m; name = sys.argv[1]; "
        "print(m.version(m.packages_distributions().get(name, [name])[0]))"
    )
    command = [python, "-c", code, module]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{module} {done.stdout.strip()}"


def page(options: Options) -> Iterator[str]:
    yield from ("# Performance", "", "Made by `tests/benchmarks/tables.py`, which says how.", "")
    yield from (machine(options), "")
    for title, text, rows in PAGE:
        if options.only not in title:
            continue
        yield from (f"## {title}", "", text, "", *rows(options))


def main() -> None:
    parser = argparse.ArgumentParser(description="Print docs/performance.md.")
    parser.add_argument("--work", type=Path, help="folder on the disk that is to be measured")
    parser.add_argument("--tensorflow", metavar="PYTHON", help="interpreter that has TensorFlow")
    parser.add_argument("--quick", action="store_true", help="only see that all of it runs")
    parser.add_argument("--only", default="", help="part of the titles of the tables to make")
    given = parser.parse_args()
    if given.work is not None:
        given.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        options = Options(Path(folder), given.tensorflow, given.quick, given.only)
        print("\n".join(page(options)).rstrip())


if __name__ == "__main__":
    main()
