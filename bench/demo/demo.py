"""Shows Brevdue at work on loopback: called by scripts/demo.

Starts the master with its default backend, brevdue-sink as the next hop and brevdue-load as the
client; counts from the client's book, the sink's control socket and the disk's own counters; and
ends with what the books say. Everything it makes lies in one temporary directory.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONNECTIONS = 50
SIZE = 4096
CONFIG = """hostname = "mx.demo.test"
[queue]
path = "{folder}/spool"
[control]
socket = "{folder}/control"
[log]
target = "{folder}/log"
[[listen]]
address = "127.0.0.1:0"
[delivery]
relay_host = "127.0.0.1:{sink}"
"""


def wait_for(what, condition, patience=20):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise RuntimeError(f"{what} did not happen within {patience} s")


def device_of(path):
    """The block device under a path, as /sys names it, or None (tmpfs and the like)."""
    number = os.stat(path).st_dev
    link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    return link if link.exists() else None


def flushes(device):
    """Flushes the device has been asked for, ever (field 16 of its statistics)."""
    if device is None:
        return None
    fields = (device / "stat").read_text().split()
    return int(fields[15]) if len(fields) > 15 else None


class Lines:
    """Counts the lines of a book while it is written, and keeps the latest answers' times."""

    def __init__(self, path):
        self.path, self.count, self.at = path, 0, 0

    def read(self):
        if self.path.exists():
            with open(self.path, "rb") as book:
                book.seek(self.at)
                new = book.read()
            self.at += len(new)
            self.count += new.count(b"\taccepted\t")
        return self.count


class Demo:
    def __init__(self, programs, messages, folder):
        self.programs, self.messages, self.folder = programs, messages, folder
        self.running = []

    def start(self, name, *arguments, output):
        file = open(self.folder / output, "wb")
        process = subprocess.Popen([self.programs / name, *map(str, arguments)], stdout=file, stderr=file,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        self.running.append(process)
        return process

    def stop_all(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.running.clear()

    def sink_stats(self):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "sink-control"))
            control.sendall(b"stats\n")
            answer = control.makefile().readline()
        return int(answer.split('"messages":')[1].split(",")[0])

    def set_up(self):
        self.start("brevdue-sink", "--listen", "127.0.0.1:0", "--book", self.folder / "sink.book", "--control",
                   self.folder / "sink-control", output="sink.out")
        line = wait_for("the sink's start", lambda: self.text("sink.out").partition("\n")[0])
        sink_port = line.rpartition(":")[2]
        config = self.folder / "brevdue.toml"
        config.write_text(CONFIG.format(folder=self.folder, sink=sink_port))
        # The roles may run under other accounts than root's.
        self.folder.chmod(0o755)
        self.master = self.start("brevdue", "serve", "-c", config, output="serve.out")
        wait_for("the start of Brevdue", self.listening)
        self.port = self.listening()

    def text(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def listening(self):
        if self.master.poll() is not None:
            raise RuntimeError("Brevdue did not start:\n" + self.text("serve.out") + self.text("log"))
        at = self.text("log").rpartition("listening on 127.0.0.1:")[2].partition("\n")[0]
        return at if at.isdigit() else None

    def run(self):
        self.set_up()
        spool = self.folder / "spool"
        device = device_of(spool)
        before = flushes(device)
        print(f"Brevdue listens on 127.0.0.1:{self.port}, its spool is {spool}.")
        print(f"{CONNECTIONS} clients send {self.messages} messages of {SIZE} bytes; each 250 means that the message "
              f"is on the disk.\n")
        book = Lines(self.folder / "client.book")
        load = self.start("brevdue-load", "--to", f"127.0.0.1:{self.port}", "--connections", CONNECTIONS, "--messages",
                          self.messages, "--size", SIZE, "--rate", max(500, self.messages // 6), "--book",
                          self.folder / "client.book", output="load.out")
        self.watch(load, book, device, before)
        relayed = self.sink_stats()
        synced = (flushes(device) - before) if device and before is not None else None
        self.stop_all()
        return self.summary(book.read(), relayed, synced)

    def watch(self, load, book, device, before):
        screen = sys.stdout.isatty()
        start = time.monotonic()
        deadline = start + 60
        while time.monotonic() < deadline:
            done = load.poll() is not None
            accepted, relayed = book.read(), self.sink_stats()
            now = flushes(device)
            syncs = f"{(now - before) / accepted:5.2f}" if now is not None and accepted else "    -"
            line = (f"{time.monotonic() - start:5.1f} s   accepted and durable {accepted:6}   relayed {relayed:6}   "
                    f"in the queue {max(0, accepted - relayed):5}   syncs a message {syncs}")
            print(("\r" + line) if screen else line, end="" if screen else "\n", flush=True)
            if done and relayed >= accepted:
                break
            time.sleep(0.1 if screen else 0.5)
        print("\n" if screen else "")

    def summary(self, accepted, relayed, synced):
        told = self.text("load.out").strip().splitlines()
        print("What the client saw:  " + (told[0] if told else "nothing"))
        if synced is not None and accepted:
            print(f"What the disk saw:    {synced} flushes for {accepted} messages, all that ran on it included")
        books = subprocess.run([self.programs / "brevdue-books", "--client", self.folder / "client.book", "--sink",
                                self.folder / "sink.book"], capture_output=True, text=True)
        verdict = books.stdout.strip().splitlines()
        print("What the books say:   " + (verdict[-1] if verdict else books.stderr.strip()) +
              f" ({accepted} accepted, {relayed} arrived)")
        return books.returncode == 0 and accepted == self.messages


NEXT = """
Next:
  build/release/bin/brevdue conf --docs       what can be set, and what it means
  build/release/bin/brevdue check -c FILE     whether a config of yours would work
  build/release/bin/brevdue serve -c FILE     run it; packaging/brevdue.toml is a config to start from
  build/release/bin/brevdue queue list        what is queued; sendmail, route, queue --help are its neighbours
  scripts/test                                the test suite
  bench/smtp/compare --quick                  beside Postfix, on a disk of its own (as root)
  ARCHITECTURE.md                             how it works"""


def main():
    programs, messages = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # /var/tmp, not /tmp: that may be a tmpfs, where a sync means nothing.
    folder = Path(tempfile.mkdtemp(prefix="brevdue-demo-", dir="/var/tmp"))
    demo = Demo(programs, messages, folder)
    try:
        good = demo.run()
    except RuntimeError as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        good = False
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 130
    finally:
        demo.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    print(NEXT)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
