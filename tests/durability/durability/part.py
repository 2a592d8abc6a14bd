"""One part of a run: one backend, one way of being cut off, many times, then the comparison."""

import contextlib
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from .accounts import compare
from .places import clear_sockets, fresh_folders
from .processes import clear_left_overs
from .server import Brevdue, StartFailure
from .stopping import Timeout
from .storage import StorageFailure, save_image, save_spool, storage_for
from .traffic import Load, Sink

MODES = ("kill-qmgr", "kill-all", "kill-master", "cut", "shutdown")
ON_FILE_SYSTEMS = ("cut", "shutdown")
# The master's pause before it restarts qmgr doubles with each kill: after so many it starts anew.
QMGR_KILLS_A_START = 4
LOAD_SECONDS = (0.2, 0.6)
DRAIN_PATIENCE = 60  # seconds without anything leaving the queue


@dataclass(frozen=True)
class Plan:
    backend: str
    mode: str
    file_system: str
    cycles: int
    seed: int

    @property
    def name(self):
        return "-".join(filter(None, (self.backend, self.mode, self.file_system)))


class Part:
    """`run` returns the result as a dictionary; whatever happens, nothing is left running."""

    sizes = None  # of the store's files: those of server.py

    def __init__(self, plan, options, stop, progress):
        self.plan = plan
        self.options = options
        self.stop = stop
        self.progress = progress
        self.chance = random.Random(f"{plan.seed} {plan.name}")
        self.folder = Path(options.work) / plan.name
        self.mark = str(self.folder)
        self.storage = storage_for(plan.mode, self.folder, options.bin, plan.file_system)
        self.sockets = None
        self.server = None
        self.sink = None
        self.load = None
        self.outages = []
        self.faults = []
        self.acknowledged = 0
        self.held = 0

    def run(self):
        begun = time.monotonic()
        # The last is undone first, and each whatever becomes of the others.
        with contextlib.ExitStack() as undo:
            self._prepare(undo)
            try:
                result = self._measure()
            except StorageFailure:
                save_image(self.storage, self.folder)
                raise
            result["seconds"] = round(time.monotonic() - begun, 1)
            if result["verdict"] != "good":
                self._keep_evidence(result)
            return result

    # Set up and take down.

    def clear(self):
        """Ends and unmounts what an earlier run left here that was killed itself."""
        if not self.folder.exists():
            return
        clear_left_overs(self.mark)
        self.storage.remove()
        clear_sockets(self.folder)

    def _prepare(self, undo):
        self.clear()
        self.sockets = fresh_folders(self.folder, undo)
        undo.callback(self.storage.remove)
        undo.callback(clear_left_overs, self.mark)
        self.storage.prepare()
        self.sink = Sink(self.options.bin / "brevdue-sink", self.folder, self.sockets,
                         self.plan.seed, self.mark)
        undo.callback(self.sink.end)
        self.server = Brevdue(self.options.brevdue, self.plan.backend, self.storage.spool,
                              self.folder, self.sockets, self.sink.port, self.mark, self.stop,
                              self.sizes)
        undo.callback(self._end_load)
        undo.callback(self.server.kill_all)

    def _end_load(self):
        if self.load is not None:
            self._stop_load(server_is_dead=True)

    def _keep_evidence(self, result):
        save_spool(self.storage, self.folder / "spool-kept")
        (self.folder / "faults.txt").write_text("".join(line + "\n" for line in result["faults"]))
        result["evidence"] = str(self.folder)

    # The cycles.

    def _measure(self):
        done = 0
        try:
            while done < self.plan.cycles:
                events = min(QMGR_KILLS_A_START if self.plan.mode == "kill-qmgr" else 1,
                             self.plan.cycles - done)
                self._start(done)
                for _ in range(events):
                    self.stop.pause(self.chance.uniform(*LOAD_SECONDS))
                    self._check_clients()
                    self._cut(done)
                    done += 1
                    self.progress(self.plan, done, self.acknowledged)
            self._drain()
        except (StartFailure, Timeout) as failure:
            self.faults.append(str(failure))
        return self._judge(done)

    def _start(self, cycle):
        self.server.start()
        self.load = Load(self.options.bin / "brevdue-load", self.folder, f"c{cycle}",
                         self.options.rate, self.mark)
        self.load.start(self.server.port)

    def _check_clients(self):
        if not self.load.running():
            raise RuntimeError(f"a client ended by itself: see {self.folder}/client.log")

    def _stop_load(self, server_is_dead):
        load, self.load = self.load, None
        self.acknowledged += load.stop(server_is_dead)

    def _cut(self, cycle):
        """Cuts, kills, and leaves storage as a new start finds it."""
        begin = time.time()
        if self.plan.mode == "kill-qmgr":
            self.server.kill_qmgr()
            self._remember(begin, time.time())
            if (cycle + 1) % QMGR_KILLS_A_START == 0 or cycle + 1 == self.plan.cycles:
                self.stop.pause(self.chance.uniform(*LOAD_SECONDS))
                self._stop_load(server_is_dead=False)
                self._end_in_order()
            return
        if self.plan.mode in ON_FILE_SYSTEMS:
            self.storage.cut(cycle, self.chance)
            # Between the cut and its end Brevdue may acknowledge nothing that the disk did not take.
            self.stop.pause(self.chance.uniform(0, 0.03))
        if self.plan.mode == "kill-master":
            for name in self.server.kill_master():
                self.faults.append(f"cycle {cycle}: {name} lived on after the master was killed")
        else:
            self.server.kill_all(self.chance)
        self._stop_load(server_is_dead=True)
        self.sink.settle()
        self._remember(begin, time.time())
        if self.plan.mode in ON_FILE_SYSTEMS:
            self.storage.restore()

    def _remember(self, begin, end):
        self.outages.append((int(begin * 1e6), int(end * 1e6)))

    def _end_in_order(self):
        code = self.server.end()
        if code != 0:
            how = "did not end within its time" if code is None else f"ended with {code}"
            self.faults.append(f"SIGTERM: serve {how}; last log lines:\n{self.server.last_lines()}")

    # The end.

    def _drain(self):
        """Faults off, until nothing is queued and all is in the book."""
        self.sink.ask("faults off")
        self.server.start()
        fewest, since = None, time.monotonic()
        while True:
            self.server.queue("flush")
            queued = self.server.queued()
            if not queued:
                break
            for message in queued:
                if message["queue_name"] == "hold":
                    self.held += 1
                    self.server.queue("release", message["queue_id"])
            if fewest is None or len(queued) < fewest:
                fewest, since = len(queued), time.monotonic()
            if time.monotonic() - since > DRAIN_PATIENCE:
                raise Timeout(f"{len(queued)} messages stay in the queue, such as {queued[0]}")
            self.progress(self.plan, self.plan.cycles, self.acknowledged, len(queued))
            self.stop.pause(0.2)
        self._end_in_order()
        self.sink.settle()

    def _judge(self, done):
        self.server.kill_all()
        self._end_load()
        self.sink.settle()
        counts, words = compare(self.options.bin / "brevdue-books", self.folder, self.outages,
                                self.options.cut_window)
        sound = counts["sound"] and not self.faults and done == self.plan.cycles
        return counts | {
            "backend": self.plan.backend, "mode": self.plan.mode,
            "file_system": self.plan.file_system, "cycles": done, "seed": self.plan.seed,
            "held": self.held, "faults": self.faults + words,
            "verdict": "good" if sound else "FAULTY"}


def remove_good(folder):
    """What a good part leaves is of no more use."""
    if os.path.isdir(folder):
        shutil.rmtree(folder, ignore_errors=True)
