"""Shows Brevdue at work on loopback: the part of scripts/demo that runs after the build.

  demo.py PROGRAMS FOLDER

PROGRAMS holds the built programs; FOLDER is an empty directory for the spool, the log and the books,
which the caller removes. Every process started here ends with this one.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from screen import Screen, milliseconds, ratio

CONNECTIONS = 50
SIZE = 4096
PATIENCE = 20  # seconds for what takes a moment

CONFIG = """hostname = "mx.demo.test"
[queue]
path = "{spool}"
[control]
socket = "{control}"
[log]
target = "{log}"
[[listen]]
address = "127.0.0.1:{port}"
[delivery]
relay_host = "127.0.0.1:{sink}"
"""


@dataclass(frozen=True)
class Load:
    name: str
    messages: int
    rate: int  # messages a second; 0: as fast as they are taken
    seconds: int  # no message is begun after that, so that a slow disk does not make it long


LOADS = [Load("at 500 messages a second", 2000, 500, 8), Load("as fast as it goes", 12000, 0, 8)]


@dataclass
class Counts:
    """What is known at one moment since the start of a load."""
    seconds: float = 0
    accepted: int = 0
    durable: int = 0
    relayed: int = 0
    queued: int = 0
    commits: int = 0
    p50: int = 0  # microseconds
    p99: int = 0

    def syncs_a_message(self):
        return self.commits / self.accepted if self.accepted else None


class Trouble(Exception):
    """Something that keeps the demo from going on, in words for whoever runs it."""


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise Trouble(f"{what}: nothing within {PATIENCE} s")


def file_system_of(path):
    """Type and device of the file system that holds a path."""
    best = ("", "", "")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mounted, kind = line.split()[:3]
        inside = path == Path(mounted) or Path(mounted) in path.parents
        if inside and len(mounted) >= len(best[0]):
            best = (mounted, kind, device)
    return best[1] or "an unknown file system", best[2]


class Book:
    """Counts accepted messages in the client's book while it is written."""

    def __init__(self, path):
        self.path, self.accepted, self.at = path, 0, 0

    def read(self):
        if self.path.exists():
            with open(self.path, "rb") as book:
                book.seek(self.at)
                fresh = book.read()
            whole = fresh.rfind(b"\n") + 1
            self.at += whole
            self.accepted += fresh[:whole].count(b"\taccepted\t")
        return self.accepted


class Demo:
    def __init__(self, programs, folder, screen):
        self.programs, self.folder, self.screen = programs, folder, screen
        self.running = []
        self.config = folder / "brevdue.toml"
        self.books = []

    # Processes

    def start(self, name, *arguments, output):
        """A process that gets SIGTERM when this one ends, however it ends."""
        command = ["setpriv", "--pdeathsig", "TERM", self.programs / name, *map(str, arguments)]
        with open(self.folder / output, "wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        self.running.append(process)
        return process

    def stop_all(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    def set_up(self):
        self.start("brevdue-sink", "--listen", "127.0.0.1:0", "--book", self.folder / "sink.book",
                   "--control", self.folder / "sink.control", output="sink.out")
        line = wait_for("the sink's start", lambda: self.text("sink.out").partition("\n")[0])
        self.config.write_text(CONFIG.format(spool=self.folder / "spool", log=self.folder / "log", port=0,
                                             control=self.folder / "control", sink=line.rpartition(":")[2]))
        self.master = self.start("brevdue", "serve", "-c", self.config, output="serve.out")
        self.port = wait_for("the start of Brevdue", self.listening)
        wait_for("the start of the queue manager", self.statistics)

    def listening(self):
        if self.master.poll() is not None:
            raise Trouble("Brevdue did not start:\n" + self.text("serve.out") + self.text("log"))
        port = self.text("log").rpartition("listening on 127.0.0.1:")[2].partition("\n")[0]
        return port if port.isdigit() else None

    def text(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    # What is counted

    def statistics(self):
        """What qmgr says of its queue, by name; nothing while it does not answer."""
        asked = subprocess.run([self.programs / "brevdue", "queue", "stats", "-c", self.config],
                               capture_output=True, text=True)
        if asked.returncode != 0:
            return None
        return {name: int(number) for name, number in map(str.split, asked.stdout.splitlines())}

    def relayed(self):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "sink.control"))
            control.sendall(b"stats\n")
            return json.loads(control.makefile().readline())["messages"]

    def latency_so_far(self, name):
        """p50 and p99 of the latest line that brevdue-load wrote; it writes one a second."""
        found = re.findall(r" after p50 (\d+) (?:p90 \d+ )?p99 (\d+) ", self.text(name))
        return tuple(map(int, found[-1])) if found else (0, 0)

    # The run

    def run(self):
        self.set_up()
        kind, device = file_system_of(self.folder)
        self.screen.say(f"Brevdue listens on 127.0.0.1:{self.port}.\nIts spool is in {self.folder} ({kind}).")
        if kind in ("tmpfs", "ramfs"):
            self.screen.say("That is memory: a sync costs nothing there, and nothing survives a power cut.\n"
                            "Set TMPDIR to a directory on a disk to see what a disk costs.")
        for notice in self.notices():
            self.screen.say(notice)
        self.screen.say(f"{CONNECTIONS} clients send messages of {SIZE // 1024} KiB; Brevdue relays them to a sink, "
                        "which checks\nevery byte. A 250 is said once the message would survive a power cut.\n")
        results = [(load, self.run_load(number, load)) for number, load in enumerate(LOADS)]
        self.stop_all()
        return self.summarize(results, f"on {kind} ({device})" if device.startswith("/") else f"on {kind}")

    def notices(self):
        """Lines that say what this machine refuses, such as io_uring or direct I/O."""
        return [line.partition("]: ")[2] for line in self.text("log").splitlines()
                if "io_uring" in line or "direct I/O" in line]

    def run_load(self, number, load):
        before = wait_for("an answer of the queue manager", self.statistics)
        sunk_before = self.relayed()
        book = Book(self.folder / f"client.{number}.book")
        self.books.append(book)
        limits = ["--rate", load.rate] if load.rate else []
        output = f"load.{number}.out"
        client = self.start("brevdue-load", "--to", f"127.0.0.1:{self.port}", "--connections", CONNECTIONS, "--size",
                            SIZE, "--messages", load.messages, "--seconds", load.seconds, *limits, "--book", book.path,
                            "--progress", "--json", output=output)
        start = time.monotonic()
        self.screen.begin(load.name, load.messages)
        counts = Counts()
        ended = False
        while not (ended and counts.queued == 0 and counts.relayed >= counts.accepted):
            ended = client.poll() is not None
            # In this order no figure can look larger than the next: relayed, accepted, durable.
            relayed = self.relayed() - sunk_before
            accepted = book.read()
            now = self.statistics()
            if now is None or self.master.poll() is not None:
                raise Trouble("Brevdue no longer answers:\n" + self.text("log")[-2000:])
            p50, p99 = self.latency_so_far(output)
            counts = Counts(time.monotonic() - start, accepted, now["enqueued"] - before["enqueued"], relayed,
                            now["queued"], now["commits"] - before["commits"], p50, p99)
            self.screen.show(counts)
            if counts.seconds > load.seconds + PATIENCE:
                raise Trouble("the messages did not all arrive in time:\n" + self.text("log")[-2000:])
            time.sleep(self.screen.pause)
        report = json.loads(self.text(output).splitlines()[-1])
        counts.p50, counts.p99 = report["latency_us"]["p50"], report["latency_us"]["p99"]
        counts.seconds = report["seconds"]
        self.screen.end(counts)
        return counts

    # The summary

    def summarize(self, results, where):
        clients = [word for book in self.books for word in ("--client", book.path)]
        books = subprocess.run([self.programs / "brevdue-books", *clients, "--sink", self.folder / "sink.book",
                                "--json"], capture_output=True, text=True)
        if not books.stdout:
            raise Trouble("brevdue-books: " + books.stderr.strip())
        verdict = json.loads(books.stdout)
        accepted = sum(counts.accepted for _, counts in results)
        say = self.screen.say
        say(self.screen.bold("Summary"))
        good = verdict["sound"] and verdict["arrivals"] == verdict["accepted"] == accepted > 0
        if good:
            say(f"  {accepted:,} messages were answered with 250. The books of client and sink agree:\n"
                "  each arrived exactly once, unaltered. The queue is empty.\n")
        else:
            say(f"  THE BOOKS DO NOT AGREE: {books.stdout.strip()}\n{books.stderr}")
        say(f"  {'':24}{'messages':>9}{'rate':>9}{'250: p50':>10}{'p99':>9}{'syncs/message':>15}")
        for load, counts in results:
            rate = f"{counts.accepted / counts.seconds:,.0f}/s"
            say(f"  {load.name:24}{counts.accepted:9,}{rate:>9}{milliseconds(counts.p50):>10}"
                f"{milliseconds(counts.p99):>9}{ratio(counts.syncs_a_message()):>15}")
        say("\n  The wait for a 250 is counted from the final dot. A sync makes a whole batch\n"
            "  durable: the more clients wait, the fewer syncs a message. Counted are all\n"
            "  commits of qmgr, one synced write each: messages that came, and those relayed.")
        say(f"  Clients, Brevdue and sink shared {os.cpu_count()} processors. The spool was\n  {where}.")
        return good


def stop(*_):
    sys.exit(143)


def main():
    programs, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    screen = Screen(sys.stdout)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    demo = Demo(programs, folder, screen)
    try:
        return 0 if demo.run() else 1
    except Trouble as trouble:
        screen.abandon()
        print(f"demo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        screen.abandon()
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        demo.stop_all()


if __name__ == "__main__":
    sys.exit(main())
