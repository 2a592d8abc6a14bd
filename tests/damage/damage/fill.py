"""A spool as mail makes it, through the real processes: messages of many sizes, some staged, with
states of many kinds, and what is left of messages that are gone."""

import os
import random
import smtplib
import threading
from dataclasses import dataclass, field
from pathlib import Path

from support.server import Brevdue
from support.sink import Sink
from support.waiting import wait_for

from . import iouring_map, lmdb_map, maildir_map
from .regions import Region, SpoolMap

MAPS = {"iouring": iouring_map, "lmdb": lmdb_map, "maildir": maildir_map}
ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
CLIENTS = 6
LATER = "later"  # recipients whose name begins so are deferred while the spool is filled


def text_of(number):
    """A queue id as it is printed."""
    digits = []
    for _ in range(12):
        number, digit = divmod(number, 52)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


@dataclass
class Message:
    """What was sent, and what is expected of it."""
    key: str  # its reverse-path
    size: int
    recipients: tuple
    queue_id: str = ""
    sent: bytes = b""
    content: bytes = b""  # as it is relayed

    @property
    def awaited(self):
        return frozenset(one for one in self.recipients if one.startswith(LATER))


@dataclass
class Spool:
    backend: str
    messages: dict  # by key
    files: dict     # name → bytes
    directories: list
    owner: tuple    # uid and gid, since root starts the roles as somebody else
    map: SpoolMap = field(repr=False, default=None)

    @property
    def live(self):
        return [one for one in self.messages.values() if one.awaited]


def plan(rng, scale):
    """Messages to send: three that are relayed at once for each two that stay."""
    sizes = [rng.randrange(300, 4000) for _ in range(60)]
    sizes += [rng.randrange(8_000, 60_000) for _ in range(16)]
    sizes += [rng.randrange(90_000, 120_000) for _ in range(5)]
    sizes += [rng.randrange(150_000, 300_000) for _ in range(6)]
    messages = []
    for size in sizes[:max(8, int(len(sizes) * scale))]:
        names = [f"{LATER}{i}" for i in range(rng.choice((1, 1, 2, 4)))]
        names += [f"now{i}" for i in range(rng.choice((0, 0, 1, 2)))]
        messages.append((size, names))
    for _ in range(int(110 * scale)):
        messages.append((rng.randrange(300, 110_000), ["now0"]))
    rng.shuffle(messages)
    return [Message(f"m{number}@origin.test", size, tuple(f"{name}@next.test" for name in names))
            for number, (size, names) in enumerate(messages)]


def content(message, rng):
    head = (f"From: <{message.key}>\r\nSubject: {message.key} of {message.size}\r\n"
            "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n").encode()
    lines = [rng.randbytes(400).hex().encode() + b"\r\n" for _ in range(message.size // 802 + 1)]
    return head + b"".join(lines)[:max(2, message.size - len(head) - 2)].rstrip(b"\r\n") + b"\r\n"


def send(port, messages, seed):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo("client.test")
        for message in messages:
            client.mail(message.key)
            for recipient in message.recipients:
                client.rcpt(recipient)
            message.sent = content(message, random.Random(f"{seed} {message.key}"))
            code, reply = client.data(message.sent)
            if code != 250:
                raise RuntimeError(f"{message.key}: {code} {reply}")
            message.queue_id = reply.decode().rsplit(" ", 1)[-1]


def send_all(port, messages, seed):
    faults = []

    def one(part):
        try:
            send(port, part, seed)
        except Exception as fault:
            faults.append(fault)
    threads = [threading.Thread(target=one, args=(messages[i::CLIENTS],)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def is_settled(server, messages):
    entries = {entry["queue_id"]: entry for entry in server.entries()}
    return entries.keys() == {one.queue_id for one in messages if one.awaited} and all(
        entry["queue_name"] == "deferred" and len(entry["recipients"]) ==
        len(next(one for one in messages if one.queue_id == queue_id).awaited)
        for queue_id, entry in entries.items())


def fill(directory, backend, seed, scale):
    """The spool, stopped in order; its messages know their ids."""
    messages = plan(random.Random(f"{seed} plan"), scale)

    def answer(stage, argument):
        return "451 4.2.1 later" if stage == "rcpt" and argument.startswith(LATER) else None
    sink = Sink(answer)
    server = Brevdue(directory, backend, {"delivery.relay_host": sink.address})
    try:
        server.start()
        send_all(server.port, messages, seed)
        wait_for(lambda: is_settled(server, messages), "all to be relayed or deferred", 60)
        server.queue("flush")
        wait_for(lambda: is_settled(server, messages) and all(
            entry_attempts(server, one.queue_id) >= 2 for one in messages[:3] if one.awaited),
                 "the second attempts", 60)
        if server.stop() != 0:
            raise RuntimeError("Brevdue did not stop in order")
    finally:
        server.close()
        sink.close()
    by_key = {one.key: one for one in messages}
    for arrived in sink.messages:
        by_key[arrived.reverse_path].content = arrived.content
    return load(server.spool, backend, by_key)


def learn_contents(spool):
    """What lies in the spool is what was sent, behind a Received field."""
    by_id = {one.queue_id: one for one in spool.messages.values()}
    for region in spool.map.kinds["content"]:
        message = by_id[region.ids[0]]
        stored = spool.files[region.file][region.start:region.end]
        at = stored.find(b"Received: ")
        if not message.content and at >= 0:
            message.content = stored[at:]
    for message in spool.messages.values():
        if not message.content.endswith(message.sent):
            raise RuntimeError(f"{message.queue_id} is not in the spool as it was sent")


def entry_attempts(server, queue_id):
    shown = server.queue("show", queue_id).stdout
    line = next((one for one in shown.splitlines() if one.startswith("attempts:")), "attempts: 0")
    return int(line.split()[1])


def load(path, backend, messages):
    files, directories, staged = {}, [], []
    for one in sorted(Path(path).rglob("*")):
        name = str(one.relative_to(path))
        if one.is_dir():
            directories.append(name)
            continue
        data = one.read_bytes()
        files[name] = data
        if name.startswith("staged/"):
            staged.append(Region(name, 0, len(data), "content", (one.name,)))
    status = Path(path).stat()
    spool = Spool(backend, messages, files, directories,
                  (status.st_uid, status.st_gid))
    spool.map = SpoolMap([*MAPS[backend].regions(Path(path), text_of), *staged])
    learn_contents(spool)
    return spool


def write_copy(spool, path):
    """A copy in which the zeros at the ends of files are holes."""
    for name in (".", *spool.directories):
        (path / name).mkdir(mode=0o700)
        os.chown(path / name, *spool.owner)
    for name, data in spool.files.items():
        with open(path / name, "wb") as file:
            file.write(data.rstrip(b"\0"))
            file.truncate(len(data))
            os.fchmod(file.fileno(), 0o600)
            os.fchown(file.fileno(), *spool.owner)
