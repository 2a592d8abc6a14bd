"""The load client and the sink that keep books (bench/load), as a test uses them."""

import re
import socket
import subprocess

from .processes import end, program, run, spawn
from .waiting import wait_for


class SinkProgram:
    def __init__(self, case, directory, *options):
        self.book = directory / "sink.book"
        self.control = directory / "sink.control"
        self.case = case
        output = directory / "sink.out"
        with open(output, "wb") as out:
            self.process = spawn([program("brevdue-sink"), "--book", self.book, "--control", self.control, *options],
                                 stdout=out, stderr=subprocess.STDOUT)
        case.addCleanup(end, self.process)
        found = wait_for(lambda: re.search(r"listening on (\S+:\d+)", output.read_text()), "the sink")
        self.address = found[1]

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            control.sendall(line.encode() + b"\n")
            control.shutdown(socket.SHUT_WR)
            return control.makefile().read()

    def end_faults(self):
        self.ask("faults off")

    def compare(self, directory, server):
        """Fails if anything was lost, altered or came twice without a reason. Bounced is not lost."""
        log = server.log()
        keys = dict(re.findall(r"(\w+): message-id=<(.*)@load\.test>", log))
        bounced = re.findall(r"(\w+): to=.*status=bounced", log)
        elsewhere = directory / "elsewhere"
        elsewhere.write_text("".join(keys[queue_id] + "\n" for queue_id in bounced))
        done = run([program("brevdue-books"), "--client", directory / "client.book", "--sink", self.book,
                    "--elsewhere", elsewhere, *(["--allow-foreign"] if bounced else [])])
        self.case.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


def send_with_books(case, server, directory, messages, connections, *options):
    done = run([program("brevdue-load"), "--to", f"127.0.0.1:{server.port}", "--connections", connections,
                "--messages", messages, "--book", directory / "client.book", *options])
    case.assertEqual(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout
