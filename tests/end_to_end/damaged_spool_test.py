"""A spool that was cut or flipped while Brevdue was stopped: said in the log, never relayed, all else goes on."""

import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.sink import Sink
from support.waiting import wait_for


class DamagedSpool(EndToEnd):
    def stopped_with_two(self, backend):
        """A stopped server with a good and a doomed message in its queue."""
        port = free_port()
        server = self.server(backend=backend, settings={"delivery.relay_host": f"127.0.0.1:{port}"}).start()
        good = self.send(server, text("good " * 10, subject="good"), to=["good@next.test"])
        doomed = self.send(server, text("DOOMED-CONTENT " * 10, subject="doomed"), "doomed.sender@origin.test",
                           ["doomed@next.test"])
        server.wait_until_deferred(2)
        server.stop()
        return server, port, good, doomed

    def flip(self, server, needle):
        """One bit behind the needle, wherever it stands in the spool; how often it did."""
        count = 0
        for path in sorted(server.spool.rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            data = bytearray(path.read_bytes())
            at = data.find(needle)
            while at >= 0:
                data[at + len(needle) - 1] ^= 4
                count += 1
                at = data.find(needle, at + 1)
            if count:
                with open(path, "r+b") as file:
                    file.write(data)
        self.assertGreater(count, 0, f"{needle} is nowhere in the spool")

    def good_leaves_and_doomed_does_not(self, server, port):
        sink = Sink(port=port)
        self.addCleanup(sink.close)
        server.start()
        wait_for(lambda: server.queue("list").returncode == 0, "the end of recovery")
        server.queue("flush")
        sink.wait_for(1)
        wait_for(lambda: not any(entry["queue_name"] in ("active", "incoming") for entry in server.entries()), "quiet")
        self.assertEqual([message.recipients for message in sink.messages if message.reverse_path],
                         [["good@next.test"]])
        self.assertIn(b"good good", sink.messages[0].content)
        self.send(server, to=["later@next.test"])
        sink.wait_for(2)
        return sink

    @for_each_backend
    def test_flipped_content_is_held_and_never_relayed(self, backend):
        server, port, good, doomed = self.stopped_with_two(backend)
        self.flip(server, b"DOOMED-CONTENT DOOMED")
        self.good_leaves_and_doomed_does_not(server, port)
        server.wait_for_log(rf"error: .*({doomed}|quarantined)")
        self.assertNotIn(f"{doomed}: removed", server.log())

    @for_each_backend
    def test_a_flipped_envelope_is_set_aside(self, backend):
        server, port, good, doomed = self.stopped_with_two(backend)
        self.flip(server, b"doomed.sender@origin.test")
        self.good_leaves_and_doomed_does_not(server, port)
        server.wait_for_log(r"error: .*(quarantined|damage)")


if __name__ == "__main__":
    unittest.main()
