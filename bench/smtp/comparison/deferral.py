"""A queue full of deferred mail: a next hop that defers, listing it, and the restart from a cold cache."""

import os
import select
import socket
import subprocess
import time
from pathlib import Path

from comparison.traffic import wait_for_listener

# Nothing that was deferred is due again while it is measured, and nobody is told of a delay.
SETTINGS = ["retry.delay_min=24h", "retry.delay_max=48h", "retry.delay_notice_after=0s"]


def start_refusing_sink(programs, port, output):
    """A next hop that answers every RCPT with 450."""
    log = open(output / "sink.log", "wb")
    sink = subprocess.Popen([programs / "brevdue-sink", "--listen", f"127.0.0.1:{port}", "--throughput",
                             "--reply-at", "rcpt", "450"], stdout=log, stderr=log)
    wait_for_listener(port, lambda: sink.poll() is None)
    return sink


def log_file(server):
    return server.output / f"brevdue-{server.backend}.log"


def queue_command(server, *arguments):
    """The words of `brevdue queue …` for this server."""
    return [server.program, "queue", *arguments, "-c", server.output / f"brevdue-{server.backend}.toml"]


def list_queue(server, patience=300, watch=lambda: None):
    """`brevdue queue list`, thrown away as it comes: (seconds, its last words, the command's peak memory).
    Calls `watch` again and again; what takes longer than `patience` is ended."""
    begin = time.monotonic()
    listing = subprocess.Popen(queue_command(server, "list"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    last = b""
    while True:
        if select.select([listing.stdout], [], [], 1)[0]:
            piece = os.read(listing.stdout.fileno(), 1 << 20)
            if not piece:
                break
            last = (last + piece)[-200:]
        elif time.monotonic() > begin + patience:
            listing.kill()
            break
        watch()
    _, status, usage = os.wait4(listing.pid, 0)
    listing.returncode = os.waitstatus_to_exitcode(status)
    listing.stdout.close()
    return time.monotonic() - begin, last.decode(errors="replace"), usage.ru_maxrss * 1024


def submit_one(port, patience=60):
    """Until a whole message has its 250; connects as soon as somebody listens."""
    deadline = time.monotonic() + patience
    script = ["EHLO client.load.test", "MAIL FROM:<book@load.test>", "RCPT TO:<book@next.load.test>", "DATA",
              "Subject: first\r\n\r\nfirst\r\n.", "QUIT"]
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=patience) as one:
                stream = one.makefile("rwb")
                stream.readline()
                for command in script:
                    stream.write(command.encode() + b"\r\n")
                    stream.flush()
                    line = stream.readline()
                    while line[3:4] == b"-":
                        line = stream.readline()
                    if not line.startswith((b"2", b"3")):
                        raise OSError(line)
                    if command.endswith("\r\n."):
                        return time.monotonic()
        except OSError:
            time.sleep(0.002)
    raise RuntimeError(f"no 250 within {patience} s")


def restart_cold(image, server, patience=120, watch=lambda: None):
    """(seconds until the first 250, until all are scheduled, how many); calls `watch` again and again."""
    server.stop()
    image.remount()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    log_file(server).write_text("")
    begin = time.monotonic()
    server.launch()
    first = submit_one(server.port, patience) - begin
    while time.monotonic() < begin + patience:
        said = log_file(server).read_text()
        if "recovery has ended" in said:
            found = int(said.split("recovery has ended: ")[1].split(" ")[0])
            return first, time.monotonic() - begin, found
        watch()
        time.sleep(0.01)
    raise RuntimeError(f"{server.backend}: recovery has not ended")
