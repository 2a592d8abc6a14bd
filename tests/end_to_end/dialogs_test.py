"""The dialogs of tests/dialogs with the real processes: what is said, and what comes out behind."""

import re
import unittest
from pathlib import Path

from support.case import EndToEnd
from support.processes import program, run

DIALOGS = Path(__file__).resolve().parent.parent / "dialogs"
# Over a socket the server may greet before the client has had its chance to talk too early.
EXCEPT = ("smuggling_x08_before_greeting",)


class Dialogs(EndToEnd):
    def test_every_dialog_goes_as_written_and_nothing_is_smuggled(self):
        sink = self.sink(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "ENHANCEDSTATUSCODES", "DSN"))
        server = self.server(sink, settings={"hostname": "mx.example.org"}).start()
        done = run([program("brevdue-dialogs"), "127.0.0.1", server.port, *EXCEPT])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        names = done.stdout.split()
        self.assertGreater(len(names), 50)
        accepted = 0
        for name in names:
            steps = (DIALOGS / f"{name}.dialog").read_text()
            accepted += len(re.findall(r"(?m)^<- 250 .*queued as", steps))
        sink.wait_for(accepted)
        server.wait_until_empty()
        self.assertEqual(len(sink.messages), accepted)
        for message in sink.messages:
            self.assertNotIn("evil", message.reverse_path)
            self.assertFalse([one for one in message.recipients if "victim" in one], message)
            for line in message.content.split(b"\r\n"):
                self.assertNotRegex(line, rb"[\r\n\0]")


if __name__ == "__main__":
    unittest.main()
