"""The client's processes and the sink, each with its book outside the spool's file system."""

import json
import signal
import socket

from .processes import Descriptors, spawn, wait_for

# Recipients that the sink refuses for good: each owes its sender a DSN.
REFUSED = "r2."


def notice_address(recipient):
    """Where the DSN about a refused recipient goes: each message has a reverse-path of its own."""
    return "back." + recipient.partition("@")[0].partition(".")[2] + "@load.test"


def _mixes(name, rate):
    """Arguments of the client processes that make the load of one start of Brevdue."""

    def addresses(number):
        return ["--recipient", f"r%r.{name}m{number}n%n@d%d.load.test", "--domain-count", "5",
                "--from", f"back.{name}m{number}n%n@load.test"]

    return [
        # Single small messages; a connection now and then made anew.
        ["-c", "8", "--size", "500-9000", "--rate", f"{rate:g}", "--messages-per-connection", "40",
         *addresses(0)],
        # Pipelined, up to 64 KiB, three recipients of whom one is refused.
        ["-c", "4", "--size", "500-65536", "--rate", f"{rate / 5:g}", "--recipients", "3",
         "--pipelining", *addresses(1)],
        # Above 128 KiB: content staged in a file of its own.
        ["-c", "2", "--size", "200000-400000", "--rate", f"{rate / 20:g}", *addresses(2)],
        # The null reverse-path, two recipients.
        ["-c", "2", "--size", "500-2000", "--rate", f"{rate / 10:g}", "--recipients", "2",
         *addresses(3)[:-1], ""],
    ]


class Load:
    """The clients of one start of Brevdue; their books end up in one file."""

    def __init__(self, program, folder, name, rate, mark):
        self.program = program
        self.folder = folder
        self.name = name
        self.rate = rate
        self.mark = mark
        self.clients = []

    def start(self, port):
        for number, mix in enumerate(_mixes(self.name, self.rate)):
            book = self.folder / f"client.{self.name}.{number}"
            errors = open(self.folder / "client.log", "ab")
            with errors:
                process = spawn([self.program, "--to", f"127.0.0.1:{port}", "--messages",
                                 "100000000", "--give-up", "600", "--book", book, *mix], self.mark,
                                stdout=errors, stderr=errors)
            self.clients.append((process, book))

    def running(self):
        return all(process.poll() is None for process, _ in self.clients)

    def stop(self, server_is_dead):
        """Ends the clients and adds their books to client.book. Returns how many got a 250.

        A dead server answers nothing any more: the second signal spares the client its patience.
        Never by -9, which would tear what the book has not got yet.
        """
        held = Descriptors([process.pid for process, _ in self.clients])
        held.send(signal.SIGTERM)
        left = held.wait(0.1 if server_is_dead else 8)
        for _ in range(50):
            if not left:
                break
            held.send(signal.SIGTERM, left)
            left = held.wait(0.2)
        held.close()
        if left:
            raise RuntimeError(f"clients {left} do not end")
        accepted = 0
        with open(self.folder / "client.book", "ab") as whole:
            for process, book in self.clients:
                wait_for(process, 10)
                lines = book.read_bytes()
                accepted += lines.count(b"\taccepted\t")
                whole.write(lines)
                book.unlink()
        self.clients = []
        return accepted


class Sink:
    """One long-lived sink with faults: 4xx at several stages, 5xx for some recipients."""

    def __init__(self, program, folder, sockets, seed, mark, deferred=0.06):
        self.control = sockets / "sink"
        self.book = folder / "sink.book"
        with open(folder / "sink.log", "wb") as errors:
            self.process = spawn(
                [program, "--book", self.book, "--control", self.control, "--seed", seed,
                 # So that at each cut some are queued and some under way.
                 "--latency", "2",
                 "--reply-at", "mail", "451", "--share", "0.01",
                 "--reply-at", "rcpt", "450", "--share", "0.03",
                 "--reply-at", "rcpt", "550", "--only-recipient", REFUSED + "*",
                 "--reply-at", "dot", "452", "--share", f"{deferred:g}"],
                mark, stdout=-1, stderr=errors)
        first = self.process.stdout.readline().decode()
        if not first.startswith("listening on "):
            raise RuntimeError(f"the sink does not listen: {first!r}")
        self.port = int(first.rsplit(":", 1)[1])

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(20)
            channel.connect(str(self.control))
            channel.sendall(command.encode() + b"\n")
            answer = channel.makefile().readline()
        return json.loads(answer) if answer.startswith("{") else answer.strip()

    def settle(self):
        """Until what had come in before is in the book: two rounds of its loop."""
        self.ask("stats")
        return self.ask("stats")

    def end(self):
        if self.process.poll() is None:
            held = Descriptors([self.process.pid])
            held.send(signal.SIGTERM)
            held.close()
        self.process.stdout.close()
        wait_for(self.process, 10)
