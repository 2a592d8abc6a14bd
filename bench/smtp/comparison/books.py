"""brevdue-load and brevdue-sink with their books, and what brevdue-books says of the two."""

import json
import socket
import subprocess

from comparison.traffic import wait_for_listener


class BookedTraffic:
    """Client and next hop that keep books, in a folder whose old books are removed."""

    def __init__(self, folder, programs, hop, *sink_options):
        self.folder = folder
        self.programs = programs
        self.client_book = folder / "client.book"
        self.sink_book = folder / "sink.book"
        self.control = folder / "sink.sock"
        for old in (self.client_book, self.sink_book):
            old.unlink(missing_ok=True)
        self.log = open(folder / "sink.log", "wb")
        command = [programs / "brevdue-sink", "--listen", f"127.0.0.1:{hop}", "--book", self.sink_book,
                   "--control", self.control, *sink_options]
        self.sink = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.load = None
        wait_for_listener(hop, lambda: self.sink.poll() is None)

    def start_load(self, port, clients, messages, size, *options):
        """At most `clients` connections at a time; nothing is given up before the server answers."""
        command = [self.programs / "brevdue-load", "--to", f"127.0.0.1:{port}", "--connections", str(clients),
                   "--messages", str(messages), "--size", str(size), "--book", self.client_book, "--json",
                   "--timeout", "7200", "--give-up", "7200", *options]
        self.load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def load_ended(self):
        return self.load.poll() is not None

    def report(self):
        """The summary of brevdue-load, which has ended."""
        return json.loads(self.load.stdout.read())

    def arrived(self):
        """The counters of the sink."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            control.sendall(b"stats\n")
            control.shutdown(socket.SHUT_WR)
            return json.loads(control.makefile().read())

    def compare(self):
        """(good, what brevdue-books says): each accepted recipient once, unaltered, and nothing else."""
        done = subprocess.run([self.programs / "brevdue-books", "--client", self.client_book, "--sink",
                               self.sink_book], capture_output=True, text=True)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def close(self):
        for process in (self.load, self.sink):
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.wait()
        self.log.close()
