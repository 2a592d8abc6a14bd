"""A next hop whose every reply a test decides."""

import socket
import struct
import threading
from dataclasses import dataclass

from .waiting import wait_for

STALL = "stall"  # never answer again, keep the connection
CLOSE = "close"
RESET = "reset"


@dataclass
class Message:
    reverse_path: str
    parameters: str  # those of MAIL
    recipients: list
    recipient_parameters: list
    content: bytes = b""


@dataclass
class _Session:
    connection: socket.socket
    reader: object
    message: Message = None
    ended: bool = False


class Sink:
    """Accepts everything, save what `answer(stage, argument)` decides: it returns a reply, STALL, CLOSE
    or RESET, or None for the good reply. Stages: connect, ehlo, mail, rcpt, data, dot. The argument is
    the line, or at dot the list of recipients. It runs in the thread of the session and may wait."""

    def __init__(self, answer=None, extensions=("PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES"),
                 host="127.0.0.1", port=0, name="sink.test"):
        self.answer = answer or (lambda stage, argument: None)
        self.extensions = extensions
        self.name = name
        self.messages = []
        self.connections = 0
        self.commands = []
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def wait_for(self, count):
        """The messages, once there are `count`."""
        return wait_for(lambda: self.messages if len(self.messages) >= count else None,
                        lambda: f"{count} messages in the sink, {len(self.messages)} are there")

    def arrived(self, recipient):
        return [message for message in self.messages if recipient in message.recipients]

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        session = _Session(connection, connection.makefile("rb"))
        try:
            self._say(session, "connect", "", f"220 {self.name} ESMTP")
            while not session.ended:
                line = session.reader.readline()
                if not line:
                    break
                self._command(session, line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            session.reader.close()
            connection.close()

    def _say(self, session, stage, argument, good):
        """True if the good reply was given."""
        reply = self.answer(stage, argument)
        if reply in (STALL, CLOSE, RESET):
            self._end_badly(session, reply)
            return False
        text = good if reply is None else reply
        session.connection.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        return reply is None or (isinstance(reply, str) and reply[0] in "23")

    def _command(self, session, line):
        with self._lock:
            self.commands.append(line)
        verb = line[:4].upper()
        argument, _, parameters = line.partition(">")
        path = argument.partition("<")[2]
        if verb in ("EHLO", "HELO"):
            words = [self.name, *(self.extensions if verb == "EHLO" else ())]
            greeting = "\r\n".join(f"250{'-' if word is not words[-1] else ' '}{word}" for word in words)
            self._say(session, "ehlo", line, greeting)
        elif verb == "MAIL":
            session.message = None
            if self._say(session, "mail", line, "250 2.1.0 ok"):
                session.message = Message(path, parameters.strip(), [], [])
        elif verb == "RCPT" and session.message is None:
            session.connection.sendall(b"503 5.5.1 MAIL first\r\n")
        elif verb == "RCPT":
            if self._say(session, "rcpt", path, "250 2.1.5 ok"):
                session.message.recipients.append(path)
                session.message.recipient_parameters.append(parameters.strip())
        elif verb == "DATA":
            self._data(session)
        elif verb == "QUIT":
            session.connection.sendall(b"221 2.0.0 bye\r\n")
            session.ended = True
        else:
            session.connection.sendall(b"250 2.0.0 ok\r\n")

    def _data(self, session):
        if session.message is None or not session.message.recipients:
            session.connection.sendall(b"503 5.5.1 no recipients\r\n")
            return
        if not self._say(session, "data", session.message.recipients, "354 go on"):
            return
        lines = []
        while True:
            line = session.reader.readline()
            if not line:
                session.ended = True
                return
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        session.message.content = b"".join(lines)
        reply = self.answer("dot", session.message.recipients)
        if reply is None:
            with self._lock:
                self.messages.append(session.message)
            session.connection.sendall(b"250 2.0.0 ok: queued as SINK%d\r\n" % len(self.messages))
        elif reply in (STALL, CLOSE, RESET):
            self._end_badly(session, reply)
        else:
            session.connection.sendall(reply.encode() + b"\r\n")
        session.message = None

    def _end_badly(self, session, reply):
        session.ended = True
        if reply == STALL:
            while session.connection.recv(65536):
                pass
        if reply == RESET:
            session.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
