"""One measurement, and the order in which all are made."""

import json
import subprocess
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

BACKENDS = ("iouring", "iouring-pwritev2", "lmdb", "maildir", "maildir-fsync", "maildir-syncfs")
WORKLOADS = ("intake", "growth", "relay")
# fio's bandwidth is a thing of the disk, not of a number of writers.
SEQUENTIAL = "fio sequential"
FIGURES = ("rate", "p50_us", "p99_us", "messages_per_batch", "writes_per_batch", "flushes_per_batch",
           "writes_per_message", "flushes_per_message", "bytes_per_message", "cpu_us_per_message", "bandwidth")


@dataclass(frozen=True)
class Case:
    system: str  # a backend, "bare", "fio" or SEQUENTIAL
    workload: str  # of a backend; "batches" for bare and fio, which know nothing of messages
    size: int
    writers: int
    depth: int = 1  # batches in flight, of bare

    def __str__(self):
        at_a_time = "" if self.depth == 1 else f", {self.depth} in flight"
        if self.system == SEQUENTIAL:
            return self.system
        return f"{self.system} {self.workload}, {self.writers} writers of {self.size}{at_a_time}"

    @property
    def name(self):
        """Of the system, as a table names it."""
        return self.system if self.depth == 1 else f"{self.system}, {self.depth} in flight"


class Planned(NamedTuple):
    turn: int
    case: Case

    def __str__(self):
        return str(self.case)


@dataclass
class Measurement:
    """None stands for what was not measured."""

    case: Case
    turn: int
    rate: float
    bandwidth: float  # bytes of messages a second
    p50_us: float = None
    p99_us: float = None
    messages_per_batch: float = None
    writes_per_batch: float = None
    flushes_per_batch: float = None
    writes_per_message: float = None
    flushes_per_message: float = None
    bytes_per_message: float = None
    cpu_us_per_message: float = None
    raw: dict = field(default_factory=dict)

    def as_dict(self):
        return asdict(self)


def round_of(options):
    """Every case once."""
    cases = []
    for size, counts in options.cases:
        for writers in counts:
            cases += [Case("bare", "batches", size, writers, depth) for depth in options.depths if depth <= writers]
            cases += [Case("fio", "batches", size, writers)]
            cases += [Case(backend, workload, size, writers)
                      for workload in options.workloads for backend in options.backends]
    return cases + [Case(SEQUENTIAL, "batches", 1 << 20, 32)]


def plan(options):
    """Round after round, so that noise hits all alike; each begins where another begins in the next."""
    cases, order = round_of(options), []
    for turn in range(options.repeat):
        first = turn * len(cases) // options.repeat
        order += [Planned(turn, case) for case in cases[first:] + cases[:first]]
    return order


def of_program(case, turn, raw):
    """From the program's own JSON."""
    messages, batches = max(raw["messages"], 1), max(raw["batches"], 1)
    rate = raw["messages"] / raw["seconds"]
    return Measurement(
        case, turn, rate, rate * case.size, raw["p50_us"], raw["p99_us"], messages / batches,
        raw["writes"] / batches, raw["flushes"] / batches, raw["writes"] / messages, raw["flushes"] / messages,
        raw["bytes"] / messages, raw["processor_seconds"] * 1e6 / messages, raw)


def of_fio(case, turn, messages, write):
    """From the "write" object of fio's JSON."""
    percentile = {name: write["clat_ns"].get("percentile", {}).get(name, 0) / 1e3
                  for name in ("50.000000", "99.000000")}
    return Measurement(case, turn, write["iops"] * messages, float(write["bw_bytes"]), percentile["50.000000"],
                       percentile["99.000000"], messages_per_batch=messages)


class Bench:
    """Makes measurements on one disk, each on a file system that was emptied."""

    def __init__(self, options, disk):
        self.options = options
        self.disk = disk
        self.batches = {}

    def measure(self, planned):
        turn, case = planned
        self.disk.clear()
        if case.system == SEQUENTIAL:
            return of_fio(case, turn, 1, self._fio(1 << 20, 32, "--size=512m"))
        if case.system == "fio":
            batch = self._batch(case)
            write = self._fio(batch["batch_bytes"], 1, "--size=64m", "--sync=dsync")
            one = of_fio(case, turn, batch["messages"] // batch["batches"], write)
            return replace(one, bandwidth=one.rate * case.size)
        return of_program(case, turn, self._program(case, self.options.seconds))

    def _batch(self, case):
        """What the bare loop writes for this size and number of writers: fio writes the same."""
        key = case.size, case.writers
        if key not in self.batches:
            self.batches[key] = self._program(Case("bare", "batches", *key), 0.1)
        return self.batches[key]

    def _program(self, case, seconds):
        command = [self.options.bin / "brevdue-store-bench", "--directory", self.disk.mount_point,
                   "--device", self.disk.device, "--system", case.system, "--writers", case.writers,
                   "--size", case.size, "--depth", case.depth, "--seconds", seconds, "--most", self._most()]
        if case.system != "bare":
            command += ["--workload", case.workload]
        return json.loads(self._output(command))

    def _most(self):
        """MiB of content a measurement may write: what comes before it and what is made ahead fits beside it."""
        return max(1, min(896, self.options.image_size // 6))

    def _fio(self, block_size, depth, *more):
        command = ["fio", "--name=batch", f"--directory={self.disk.mount_point}", "--filename=fio",
                   f"--bs={block_size}", "--rw=write", "--direct=1", "--overwrite=1", "--ioengine=io_uring",
                   f"--iodepth={depth}", "--time_based", f"--runtime={self.options.seconds}",
                   "--output-format=json", *more]
        return json.loads(self._output(command))["jobs"][0]["write"]

    def _output(self, command):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise RuntimeError(f"{command[0]}: exit {done.returncode}: {said}")
        return done.stdout
