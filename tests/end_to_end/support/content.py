"""Large content, and what of it lies in the spool."""

import os
import random
import socket
from pathlib import Path

from .case import text

MIB = 1 << 20


def large(size, seed=0):
    """About `size` bytes of lines, some of which begin with dots; no two seeds agree anywhere."""
    source = random.Random(seed)
    piece = b"\r\n".join(source.choice((b"", b".", b"..")) + source.randbytes(36).hex().encode() for _ in range(800))
    lines = [b"%08d\r\n%s\r\n" % (number, piece) for number in range(size // len(piece))]
    return text("", subject=f"large {seed}") + b"".join(lines)


def staged(server):
    """The names of the files that hold large content of queued messages."""
    return sorted(path.name for path in (Path(server.settings["queue.path"]) / "staged").iterdir())


def being_staged(server):
    """How many files qmgr has open whose content is still coming in: they have no name yet."""
    folder = str(Path(server.settings["queue.path"]) / "staged") + "/"
    count = 0
    for pid in server.roles("qmgr"):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except FileNotFoundError:
                continue
            count += target.startswith(folder)
    return count


class ContentClient:
    """A client that speaks only when it is told to; for content that comes in pieces."""

    def __init__(self, case, server, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", server.port), 60, (source, 0))
        case.addCleanup(self.socket.close)
        self.said = b""

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """The next reply, of however many lines."""
        lines = b""
        while True:
            while b"\r\n" not in self.said:
                piece = self.socket.recv(65536)
                if not piece:
                    raise AssertionError(f"the server closed the connection after {lines + self.said!r}")
                self.said += piece
            line, self.said = self.said.split(b"\r\n", 1)
            lines += line + b"\n"
            if line[3:4] != b"-":
                return lines.decode().strip()

    def command(self, line):
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def begin(self, parameters=""):
        """Up to 354; else the first reply that is not good."""
        for line in (None, "EHLO content.test", f"MAIL FROM:<sender@origin.test>{parameters}",
                     "RCPT TO:<someone@next.test>", "DATA"):
            said = self.reply() if line is None else self.command(line)
            if said[0] not in "23":
                return said
        return said
