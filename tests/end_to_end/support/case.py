"""What every end-to-end test starts from."""

import email
import email.policy
import os
import re
import shutil
import smtplib
import socket
import tempfile
import unittest
from pathlib import Path

from .processes import program, run
from .server import BACKENDS, Brevdue
from .sink import Sink


_reserved = []


def free_port():
    """A port that nobody listens on, and that is nobody's: while it is bound here no connection on its way
    out gets it, and a sink may still listen on it."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    _reserved.append(probe)
    return probe.getsockname()[1]


def text(body="One line.", subject="a test", to="someone@next.test", extra=""):
    return (f"From: <sender@origin.test>\r\nTo: <{to}>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject.replace(' ', '.')}@origin.test>\r\n"
            f"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n{extra}\r\n{body}\r\n").encode()


def for_each_backend(test):
    """The test once for each backend; it takes the name. Each gets directories of its own."""
    def tests(self):
        for backend in BACKENDS:
            with self.subTest(backend=backend):
                test(self, backend)
    tests.__name__ = test.__name__
    tests.__doc__ = test.__doc__
    return tests


class EndToEnd(unittest.TestCase):
    maxDiff = None

    def directory(self):
        path = Path(tempfile.mkdtemp(prefix="brevdue-e2e-"))
        path.chmod(0o755)  # roles of another user must get through to the spool
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def sink(self, *arguments, **options):
        sink = Sink(*arguments, **options)
        self.addCleanup(sink.close)
        return sink

    def server(self, sink=None, backend="iouring", settings=None, directory=None, **options):
        """Not started yet. `sink` is its relay host."""
        chosen = {"delivery.relay_host": sink.address} if sink else {}
        chosen.update(settings or {})
        server = Brevdue(directory or self.directory(), backend, chosen, **options)
        self.addCleanup(self.assert_sane, server)
        self.addCleanup(server.close)
        return server

    def assert_sane(self, server):
        """Whatever the test was about: no assertion and no sanitizer had to speak."""
        said = re.findall(r"(?m)^.*(?:Sanitizer|runtime error:|[Aa]ssertion).*$", server.log())
        self.assertEqual(said, [], server.log()[-20000:])

    def send(self, server, content=None, reverse_path="sender@origin.test", to=("someone@next.test",),
             mail_options=(), rcpt_options=()):
        """Sends one message; the queue id that the 250 named."""
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client.ehlo("client.test")
            code, reply = client.mail(reverse_path, list(mail_options))
            self.assertEqual(code, 250, reply)
            for recipient in to:
                code, reply = client.rcpt(recipient, list(rcpt_options))
                self.assertEqual(code, 250, reply)
            code, reply = client.data(content or text())
            self.assertEqual(code, 250, reply)
        return self.queue_id(reply)

    def accepts(self, server):
        """Whether a small message is taken; any refusal but for want of room fails the test."""
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            try:
                client.sendmail("sender@origin.test", ["someone@next.test"], text())
                return True
            except smtplib.SMTPResponseException as refused:
                self.assertEqual(refused.smtp_code, 452)
                return False

    def queue_id(self, reply):
        found = reply.decode().rsplit(" ", 1)[-1]
        self.assertRegex(found, r"^[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{12,}$")
        return found

    def parse(self, content):
        return email.message_from_bytes(content, policy=email.policy.SMTP)

    def need_root(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")

    def as_stranger(self, user=65533):
        """Words before a command that run it as an ordinary user; skips where that cannot be."""
        self.need_root()
        prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        if not shutil.which("setpriv"):
            self.skipTest("needs setpriv of util-linux")
        if run([*prefix, program("brevdue"), "--help"]).returncode != 0:
            self.skipTest(f"an ordinary user cannot reach {program('brevdue')}")
        return prefix
