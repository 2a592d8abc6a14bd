"""The load and the next hop: smtp-source, smtp-sink or brevdue-sink, and a next hop that never greets."""

import os
import signal
import socket
import subprocess
import time


def free_port():
    """A port that nobody uses now. (The programs compared cannot say which port 0 became.)"""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_greeting(port, alive, patience=60):
    """Until the server on this port greets with 220."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not alive():
            raise RuntimeError("the server ended before it answered; its log is in the output folder")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                if one.recv(512).startswith(b"220"):
                    one.sendall(b"QUIT\r\n")
                    one.recv(512)
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"nothing greeted on port {port} within {patience} s")


class BlackHole:
    """A next hop that connects and then says nothing: all mail stays in the queue, at no cost."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(4096)
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class Sink:
    """A sink that ends by itself after the number of messages it was started for."""

    def __init__(self, command, environment, port, messages):
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.messages = messages
        wait_for_listener(port, lambda: self.process.poll() is None)

    def wait(self, patience):
        """The moment the last message was in."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not all {self.messages} messages arrived within {patience:.0f} s") from None
        return time.monotonic()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def wait_for_listener(port, alive, patience=10):
    """Until the port is in the kernel's list of listeners; a connection would count as a session."""
    deadline = time.monotonic() + patience
    wanted = f"0100007F:{port:04X}"
    while time.monotonic() < deadline and alive():
        with open("/proc/net/tcp", encoding="ascii") as table:
            if any(line.split()[1] == wanted and line.split()[3] == "0A" for line in list(table)[1:]):
                return
        time.sleep(0.005)
    raise RuntimeError(f"the sink does not listen on port {port}")


def smtp_sink(postfix, port, *options):
    """The command that runs Postfix's smtp-sink on this port."""
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    return [postfix.program("smtp-sink"), *options, *account, f"127.0.0.1:{port}", "1000"]


class Traffic:
    """Starts sources and sinks; knows where their programs are."""

    def __init__(self, postfix, sink, brevdue_bin):
        self.postfix = postfix
        self.sink_kind = sink
        self.brevdue_bin = brevdue_bin

    def start_sink(self, port, messages):
        if self.sink_kind == "brevdue-sink":
            command = [self.brevdue_bin / "brevdue-sink", "--listen", f"127.0.0.1:{port}", "--throughput",
                       "--until", str(messages)]
        else:
            command = smtp_sink(self.postfix, port, "-M", str(messages), "-m", "1000")
        return Sink(command, self.postfix.environment(), port, messages)

    def send(self, port, clients, messages, size, patience):
        """Sends and returns (start, end): from before the first connect to after the last 250."""
        command = [self.postfix.program("smtp-source"), "-d", "-s", str(clients), "-m", str(messages),
                   "-l", str(size), "-f", "book@load.test", "-t", "book@next.load.test", f"127.0.0.1:{port}"]
        start = time.monotonic()
        source = subprocess.Popen(command, env=self.postfix.environment(), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        try:
            _, complaint = source.communicate(timeout=patience)
        except BaseException:
            source.send_signal(signal.SIGKILL)
            source.wait()
            raise
        end = time.monotonic()
        if source.returncode != 0:
            raise RuntimeError(f"smtp-source: {complaint.strip()}")
        return start, end
