"""`brevdue queue verify`, with Brevdue running and stopped: what is damaged is named, what is whole is not."""

import os
import pty
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from support.case import EndToEnd, for_each_backend, free_port, text
from support.content import staged
from support.processes import program, spawn
from support.sink import Sink
from support.waiting import wait_for

DATAERR = 65


class Verify(EndToEnd):
    def deferred(self, backend, contents):
        """A server with these messages in its queue, each of a sender of its own, and their ids."""
        self.port = free_port()
        server = self.server(backend=backend,
                             settings={"delivery.relay_host": f"127.0.0.1:{self.port}"}).start()
        ids = [self.send(server, content, f"sender{number}.of@origin.test", [f"r{number}@next.test"])
               for number, content in enumerate(contents)]
        server.wait_until_deferred(len(ids))
        return server, ids

    def verify(self, server, *words, code=0):
        done = server.queue("verify", *words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout.splitlines()

    def flip(self, server, needle, behind=0):
        """One bit wherever the needle stands in the spool."""
        count = 0
        for path in sorted(server.spool.rglob("*")):
            if not path.is_file():
                continue
            data = path.read_bytes()
            at = data.find(needle)
            while at >= 0:
                with open(path, "r+b", buffering=0) as file:
                    file.seek(at + behind)
                    file.write(bytes([data[at + behind] ^ 4]))
                count += 1
                at = data.find(needle, at + 1)
        self.assertGreater(count, 0, f"{needle} is nowhere in the spool")

    def lines_of(self, number):
        return text((f"CONTENT-{number}-" * 6 + "\r\n") * 40)

    def large(self, number):
        return text((f"LARGE-{number}-" + "x" * 60 + "\r\n") * 4000)

    @for_each_backend
    def test_all_good_running_and_stopped(self, backend):
        server, ids = self.deferred(backend, [self.lines_of(0), self.large(1), self.lines_of(2)])
        for _ in range(2):
            lines = self.verify(server)
            self.assertEqual(len(lines), 1, lines)
            self.assertRegex(lines[0], r"^3 messages verified, 0\.[3-9] MiB in \d+\.\d s: all good$")
            self.verify(server, "--rate", "0")
            if server.process.poll() is None:
                server.stop()
        self.assertIn("Brevdue is not running", server.queue("verify").stderr)

    @for_each_backend
    def test_damage_under_a_running_brevdue_is_named_and_the_rest_is_delivered(self, backend):
        """The restart takes the contents out of the cache for what was just enqueued."""
        contents = [self.lines_of(0), self.lines_of(1), self.large(2), self.large(3), self.lines_of(4)]
        server, ids = self.deferred(backend, contents)
        server.stop()
        server.start()
        self.verify(server)
        self.flip(server, b"CONTENT-1-CONTENT-1-")
        with open(server.spool / "staged" / ids[2], "r+b") as file:
            file.seek(100_000)
            file.write(b"?")
        lines = self.verify(server, code=DATAERR)
        self.assertEqual(len(lines), 3, lines)
        for queue_id in (ids[1], ids[2]):
            found = [line for line in lines if line.startswith(f"{queue_id}: content damaged in ")]
            self.assertEqual(len(found), 1, lines)
            self.assertIn(f"brevdue queue bounce {queue_id}", found[0])
            self.assertIn(f"error: verify: {found[0]}", server.log())
        self.assertIn(f"staged/{ids[2]}", "\n".join(lines))
        self.assertRegex(lines[-1], r"^5 messages verified, .*: 2 damaged$")
        self.only_the_others_arrive(server, contents, ids, {1, 2})

    def only_the_others_arrive(self, server, contents, ids, damaged):
        sink = Sink(port=self.port)
        self.addCleanup(sink.close)
        server.queue("flush")
        sink.wait_for(len(contents) - len(damaged))
        wait_for(lambda: {entry["queue_id"]: entry["queue_name"] for entry in server.entries()} ==
                 {ids[number]: "hold" for number in damaged}, lambda: f"all else to go:\n{server.queue('list').stdout}")
        arrived = {message.recipients[0]: message.content for message in sink.messages}
        self.assertEqual(sorted(arrived), [f"r{number}@next.test" for number in range(len(contents))
                                           if number not in damaged])
        for number, content in enumerate(contents):
            if number not in damaged:
                self.assertTrue(arrived[f"r{number}@next.test"].endswith(content), number)
            else:
                server.wait_for_log(rf"error: {ids[number]}: held: its content is damaged")
                self.assertNotIn(f"{ids[number]}: removed", server.log())
        # They bounce when they are told to, and their senders know.
        self.assertEqual(server.queue("bounce", *(ids[number] for number in damaged)).returncode, 0)
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual(sorted(message.recipients[0] for message in sink.messages if not message.reverse_path),
                         [f"sender{number}.of@origin.test" for number in sorted(damaged)])

    @for_each_backend
    def test_a_damaged_envelope_under_a_running_brevdue(self, backend):
        server, ids = self.deferred(backend, [self.lines_of(0), self.lines_of(1)])
        self.flip(server, b"sender1.of@origin")
        lines = self.verify(server, code=DATAERR)
        self.assertTrue(lines[0].startswith(f"{ids[1]}: envelope damaged in {backend}/"), lines)
        self.assertRegex(lines[-1], "1 damaged$")

    @for_each_backend
    def test_damage_in_a_stopped_spool_and_nothing_is_changed(self, backend):
        server, ids = self.deferred(backend, [self.lines_of(0), self.lines_of(1), self.large(2), self.large(3)])
        server.stop()
        self.flip(server, b"sender0.of@origin")
        self.flip(server, b"CONTENT-1-CONTENT-1-")
        (server.spool / "staged" / ids[2]).unlink()
        (server.spool / "staged" / "forgotten").write_bytes(b"x")

        def contents():
            return {path: path.read_bytes() for path in server.spool.rglob("*")
                    if path.is_file() and path.name not in ("lock", "lock.mdb")}
        before = contents()
        lines = self.verify(server, code=DATAERR)
        self.assertEqual(before, contents())
        said = "\n".join(lines)
        self.assertIn(ids[0], said)
        self.assertIn(ids[1], said)
        self.assertIn(f"{ids[2]}: content damaged in staged/{ids[2]}: the file is missing", said)
        self.assertNotIn(ids[3], said)
        self.assertIn("note: staged/forgotten belongs to no message", said)
        self.assertRegex(lines[-1], r"^\d messages verified, .*: \d damaged, 1 note$")
        # What the start sets aside is mentioned from then on.
        server.start()
        wait_for(lambda: "recovery has ended" in server.log(this_run=True), "the end of recovery")
        self.assertRegex("\n".join(self.verify(server, code=DATAERR)), r"note: quarantine/\S+ \(\d+ bytes\)")
        self.assertNotIn("forgotten", staged(server))

    def test_the_rate_is_a_bound_and_progress_is_shown_on_a_terminal(self):
        server, ids = self.deferred("iouring", [self.large(0), self.large(1)])
        size = sum(entry["message_size"] for entry in server.entries())
        leader, follower = pty.openpty()
        began = time.monotonic()
        done = subprocess.run([str(program("brevdue")), "queue", "verify", "--rate", str(size // 2),
                               "-c", str(server.config)], stdout=subprocess.PIPE, stderr=follower, timeout=60)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertEqual(done.returncode, 0)
        shown = os.read(leader, 65536).decode()
        os.close(leader)
        os.close(follower)
        self.assertRegex(shown, r"\r +\d+ %  \d of 2 messages  \d\.\d MiB/s  \d:\d\d left")
        self.assertRegex(done.stdout.decode(), r"^2 messages verified, .*: all good\n$")

    def test_interrupted_it_stops_in_qmgr_too(self):
        server, ids = self.deferred("iouring", [self.large(number) for number in range(4)])

        def read_bytes():
            counts = Path(f"/proc/{server.roles('qmgr')[0]}/io").read_text()
            return int(re.search(r"rchar: (\d+)", counts).group(1))
        before = read_bytes()
        client = spawn([program("brevdue"), "queue", "verify", "--rate", "160KiB", "-c", server.config])
        wait_for(lambda: read_bytes() - before > 50_000, "the verification to read")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(20), -signal.SIGINT)
        server.queue("stats")  # qmgr has seen the end of the other client before it answers
        after = read_bytes()
        time.sleep(1)
        self.assertLess(read_bytes() - after, 20_000)

    def test_mistakes(self):
        server, ids = self.deferred("iouring", [self.lines_of(0)])
        self.assertIn("no size", server.queue("verify", "--rate", "fast").stderr)
        self.assertEqual(server.queue("verify", "--rate", "fast").returncode, 64)
        self.assertEqual(server.queue("verify", "extra").returncode, 64)
        self.assertIn("--rate", server.queue("verify", "--help").stdout)


if __name__ == "__main__":
    unittest.main()
