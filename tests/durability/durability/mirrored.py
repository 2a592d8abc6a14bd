"""A mirror under load whose disks are pulled, hang, return damage and are cut.

Each scene is a method of Scenes: what happens to the disks, and what must have come of it. In all of
them no client may see an error while one disk is left, and at the end every accepted message has
arrived once, unaltered.
"""

import contextlib
import itertools
import json
import random
import socket
import time
from pathlib import Path

from .accounts import compare
from .places import clear_sockets, fresh_folders
from .processes import clear_left_overs
from .server import Brevdue, StartFailure
from .stopping import Timeout
from .storage import ForgetfulDisk, run_tool
from .traffic import Load, Sink

FIRST_FIELD = b"X-Book: "
STALL_MAX = 2
HANG_SECONDS = 30
RESYNC_PATIENCE = 120
DRAIN_PATIENCE = 60


class Fault(Exception):
    """What is tested did not do what it must."""


class MirroredBrevdue(Brevdue):
    """Brevdue on two disks; `spool` is a list of both."""

    def _config_text(self):
        paths = json.dumps([str(path) for path in self.spool])
        text = super()._config_text().replace(f'backend = "{self.backend}"\n', 'backend = "mirror"\n')
        mine = f"""content_cache = 0
[queue.mirror]
backend = "{self.backend}"
paths = {paths}
stall_max = "{STALL_MAX}s"
resync_rate = "{self.sizes.get('resync_rate', '0')}"
"""
        lines = [line for line in text.splitlines() if not line.startswith("path = ")]
        at = lines.index("[queue.iouring]")
        return "\n".join(lines[:at] + mine.splitlines() + lines[at:]) + "\n"

    def mirror(self, *words, patience=RESYNC_PATIENCE):
        return self.queue("mirror", *words, patience=patience)

    def states(self):
        done = self.mirror("status", "--json", patience=20)
        if done.returncode not in (0, 1):
            raise Fault(f"mirror status: exit {done.returncode}: {done.stderr.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]


class Disk(ForgetfulDisk):
    """One of the two, with what can happen to it."""

    def __init__(self, folder, bin_folder, file_system):
        super().__init__(folder, bin_folder, file_system)
        self.fs_shutdown = bin_folder / "brevdue-fs-shutdown"

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(60)
            channel.connect(str(self.folder / "control"))
            channel.sendall(command.encode() + b"\n")
            answer = channel.makefile().readline().strip()
        if not answer.startswith("ok"):
            raise Fault(f"{command}: {answer or 'no answer'}")

    def pull(self):
        run_tool(self.fs_shutdown, self.folder / "mnt")


class Scenes:
    """One backend on one file system. `run` returns a dictionary; nothing is left running."""

    NAMES = ("pull", "hang", "damage", "lost", "cut")

    def __init__(self, options, backend, file_system, scene, stop, say):
        self.options = options
        self.backend = backend
        self.file_system = file_system
        self.scene = scene
        self.stop = stop
        self.say = say
        self.name = f"mirror-{scene}-{backend}-{file_system}"
        self.folder = Path(options.work) / self.name
        self.mark = str(self.folder)
        self.chance = random.Random(f"{options.seed} {self.name}")
        self.disks = []
        self.outages = []
        self.loads = 0
        self.load = None
        self.acknowledged = 0
        self.notes = []

    def run(self):
        begun = time.monotonic()
        faults = []
        with contextlib.ExitStack() as undo:
            self._prepare(undo)
            try:
                getattr(self, "_" + self.scene)()
                self._drain()
            except (Fault, StartFailure, Timeout) as fault:
                faults.append(f"{fault}; last log lines:\n{self.server.last_lines()}")
            self.server.kill_all()
            if self.load is not None:
                self._stop_load(server_is_dead=True)
            self.sink.settle()
            counts, words = compare(self.options.bin / "brevdue-books", self.folder, self.outages,
                                    self.options.cut_window)
            refused = self._client_errors()
            if refused and not self.outages:
                faults.append(f"clients saw errors: {refused}")
        good = counts["sound"] and not faults
        return counts | {"scene": self.scene, "backend": self.backend, "file_system": self.file_system,
                         "acknowledged": self.acknowledged, "faults": faults + words,
                         "notes": self.notes, "seconds": round(time.monotonic() - begun, 1),
                         "verdict": "good" if good else "FAULTY"}

    # Set up.

    def clear(self):
        """Ends and unmounts what an earlier run left here that was killed itself."""
        if not self.folder.exists():
            return
        clear_left_overs(self.mark)
        for name in ("a", "b"):
            if (self.folder / name).exists():
                Disk(self.folder / name, self.options.bin, self.file_system).remove()
        clear_sockets(self.folder)

    def _prepare(self, undo):
        self.clear()
        sockets = fresh_folders(self.folder, undo)
        for name in ("a", "b"):
            (self.folder / name).mkdir()
            disk = Disk(self.folder / name, self.options.bin, self.file_system)
            self.disks.append(disk)
            undo.callback(disk.remove)
            disk.prepare()
        undo.callback(clear_left_overs, self.mark)
        # What is to be damaged must be there: nothing is relayed until faults are off.
        deferred = 1 if self.scene == "damage" else 0.06
        self.sink = Sink(self.options.bin / "brevdue-sink", self.folder, sockets, self.options.seed,
                         self.mark, deferred)
        undo.callback(self.sink.end)
        self.server = MirroredBrevdue(self.options.brevdue, self.backend,
                                      [disk.spool for disk in self.disks], self.folder, sockets,
                                      self.sink.port, self.mark, self.stop)
        undo.callback(self.server.kill_all)

    # Steps.

    def _start(self):
        self.server.start()
        self._start_load()

    def _start_load(self):
        self.load = Load(self.options.bin / "brevdue-load", self.folder, f"s{self.loads}",
                         self.options.rate, self.mark)
        self.loads += 1
        self.load.start(self.server.port)

    def _stop_load(self, server_is_dead=False):
        load, self.load = self.load, None
        self.acknowledged += load.stop(server_is_dead)

    def _run_for(self, seconds):
        self.stop.pause(seconds)
        if not self.load.running():
            raise Fault(f"a client ended by itself: see {self.folder}/client.log")

    def _client_errors(self):
        """Outcomes in the clients' book other than an accepted message."""
        counts = {}
        book = self.folder / "client.book"
        for line in book.read_text().splitlines() if book.exists() else ():
            fields = line.split("\t")
            if fields[4] not in ("accepted", "unsent"):
                counts[fields[4]] = counts.get(fields[4], 0) + 1
        return counts

    def _await(self, index, state, patience=30):
        self.stop.until(lambda: self.server.states()[index]["state"] == state, patience,
                        f"side {'ab'[index]} is {state}", 0.1)

    def _resync(self, patience=RESYNC_PATIENCE):
        """As an operator does it, again while the disk has yet to answer."""
        def begun():
            done = self.server.mirror("resync")
            if done.returncode != 0 and "yet to answer" not in done.stderr:
                raise Fault(f"resync: {done.stderr.strip()}")
            return done.returncode == 0

        at = time.monotonic()
        self.stop.until(begun, patience, "resync begins", 0.2)
        self.stop.until(lambda: all(side["state"] != "behind" for side in self.server.states()),
                        patience, "resync ends", 0.1)
        states = self.server.states()
        if any(side["state"] != "current" for side in states):
            raise Fault(f"after the resync: {states}")
        copied = max(states, key=lambda side: side["messages"])
        self.notes.append(f"resync: {copied['messages']} messages, {copied['bytes'] >> 20} MiB in "
                          f"{time.monotonic() - at:.1f} s")

    def _return(self, index):
        """The disk comes back as it was left."""
        self.disks[index].restore()

    def _end_in_order(self):
        code = self.server.end()
        if code != 0:
            raise Fault(f"serve ended with {code}")

    def _drain(self):
        """Faults off, until nothing is queued and all is in the book."""
        self.sink.ask("faults off")
        if self.server.master is None:
            self.server.start()
        fewest, since = None, time.monotonic()
        while queued := self.server.queued():
            for message in queued:
                if message["queue_name"] == "hold":
                    self.server.queue("release", message["queue_id"])
            self.server.queue("flush")
            if fewest is None or len(queued) < fewest:
                fewest, since = len(queued), time.monotonic()
            if time.monotonic() - since > DRAIN_PATIENCE:
                raise Timeout(f"{len(queued)} messages stay in the queue, such as {queued[0]}")
            self.stop.pause(0.2)
        self._end_in_order()

    # The scenes.

    def _pull(self):
        """One disk after the other: its file system is shut down, it comes back, it is resynced."""
        self._start()
        for index in (0, 1, 0):
            self._run_for(1)
            self.say(f"{self.name}: disk {'ab'[index]} is pulled")
            self.disks[index].pull()
            self._await(index, "left")
            self._run_for(1)
            self._return(index)
            self._resync()
            self._run_for(1)
        self._stop_load()

    def _hang(self):
        """One disk answers nothing for half a minute."""
        self._start()
        self._run_for(1)
        self.say(f"{self.name}: disk b hangs for {HANG_SECONDS} s")
        self.disks[1].ask(f"stall {HANG_SECONDS * 1000}")
        begun = time.monotonic()
        self._await(1, "left", HANG_SECONDS)
        self.notes.append(f"left after {time.monotonic() - begun:.1f} s")
        self._run_for(3)
        self.say(f"{self.name}: resync")
        self._resync(HANG_SECONDS + RESYNC_PATIENCE)
        self._run_for(1)
        self.disks[0].pull()
        self._await(0, "left")
        self._run_for(1)
        self._stop_load()

    def _flip_contents(self, disk):
        """A bit in the content of every third message in the files of the store. Returns how many."""
        flipped = 0
        for path in sorted((disk.spool / self.backend).rglob("*")):
            if not path.is_file():
                continue
            whole = path.read_bytes()
            with open(path, "r+b", buffering=0) as file:
                at = whole.find(FIRST_FIELD)
                for number in itertools.count():
                    if at < 0:
                        break
                    if number % 3 == 0:
                        where = at + self.chance.randrange(40, 400)
                        file.seek(where)
                        file.write(bytes([whole[where] ^ 1 << self.chance.randrange(8)]))
                        flipped += 1
                    at = whole.find(FIRST_FIELD, at + 400)
        return flipped

    def _damage(self):
        """Records are damaged on one disk; verify finds them, they are written again from the other
        one, which is pulled then: what is left delivers everything."""
        self._start()
        self._run_for(2)
        self._stop_load()
        flipped = self._flip_contents(self.disks[0])
        self.say(f"{self.name}: {flipped} messages are damaged on disk a")

        def repaired():
            return self.server.log.read_text().count("and written there again")

        before = -1
        while before != repaired():
            before = repaired()
            done = self.server.queue("verify", "--rate", "0", patience=120)
            self.stop.pause(1)
        if done.returncode != 0:
            raise Fault(f"verify still finds: {done.stdout.splitlines()[:3]}")
        # Some bits hit what is no part of a queued message.
        if before < flipped * 0.8:
            raise Fault(f"of {flipped} damaged messages {before} were repaired")
        self.notes.append(f"{before} damaged messages repaired")
        self.disks[1].pull()
        self.server.mirror("detach", str(self.disks[1].spool))
        self._await(1, "left")

    def _lost(self):
        """One disk dies, the other goes on, all is cut, only the dead one comes back: it refuses."""
        self._start()
        self._run_for(1)
        self.disks[0].pull()
        self._await(0, "left")
        self._run_for(1)
        begun = time.time()
        self.disks[1].ask("cut drop")
        self.server.kill_all(self.chance)
        self._stop_load(server_is_dead=True)
        self._return(0)
        hidden = self.disks[1].spool.parent
        run_tool("umount", "-l", hidden)
        try:
            self.server.start()
            raise Fault("it starts with the disk alone that had died")
        except StartFailure as refused:
            if "attach --force" not in str(refused):
                raise Fault(f"it does not say what to do: {refused}") from refused
        self.server.kill_all()
        self._return(1)
        self.server.start()
        self.outages.append((int(begun * 1e6), int(time.time() * 1e6)))
        self._await(0, "current", RESYNC_PATIENCE)

    def _cut(self):
        """The power of both goes at once, again and again."""
        for cycle in range(self.options.cycles):
            self._start()
            self._run_for(self.chance.uniform(0.2, 0.6))
            begun = time.time()
            order = list(self.disks)
            self.chance.shuffle(order)
            for disk in order:
                disk.cut(self.chance.randrange(3), self.chance)
                self.stop.pause(self.chance.choice((0, 0, 0.003)))
            self.server.kill_all(self.chance)
            self._stop_load(server_is_dead=True)
            self.sink.settle()
            for index in range(2):
                self._return(index)
            self.outages.append((int(begun * 1e6), int(time.time() * 1e6)))
            self.say(f"{self.name}: cut {cycle + 1} of {self.options.cycles}, "
                     f"{self.acknowledged} accepted")
