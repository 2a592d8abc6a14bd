"""`brevdue sendmail`, `conf`, `check` and what --help says."""

import email.utils
import os
import re
import subprocess
import time
import unittest

from support.case import EndToEnd, text
from support.processes import end, program, run, spawn

COMMANDS = ((), ("serve",), ("conf",), ("check",), ("queue",), ("queue", "list"), ("queue", "show"), ("queue", "hold"),
            ("queue", "release"), ("queue", "retry"), ("queue", "delete"), ("queue", "bounce"), ("queue", "flush"),
            ("queue", "stats"), ("queue", "verify"),
            ("route",), ("sendmail",))


class Sendmail(EndToEnd):
    def sendmail(self, server, *words, text="", name="brevdue"):
        if server.port:  # sendmail reads it in the config
            server.listen = [f"127.0.0.1:{server.port}"]
            server.write_config()
        command = [program(name), "sendmail"] if name == "brevdue" else [name]
        return run([*command, "-C", server.config, *words], input=text)

    def relayed(self, *words, text, code=0):
        """What arrives of a message given to sendmail."""
        sink = self.sink()
        server = self.server(sink).start()
        done = self.sendmail(server, *words, text=text)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        message = sink.wait_for(1)[0]
        server.wait_until_empty()
        return message, self.parse(message.content)

    def test_recipients_on_the_command_line(self):
        message, parsed = self.relayed("-f", "bounces@origin.test", "-i", "one@next.test", "two@next.test",
                                       text="Subject: hello\n\nfirst\n.\nlast\n")
        self.assertEqual(message.reverse_path, "bounces@origin.test")
        self.assertEqual(message.recipients, ["one@next.test", "two@next.test"])
        self.assertEqual(parsed["Subject"], "hello")
        self.assertEqual(parsed.get_content().splitlines(), ["first", ".", "last"])
        self.assertIn("bounces@origin.test", parsed["From"])
        self.assertAlmostEqual(parsed["Date"].datetime.timestamp(), time.time(), delta=120)
        self.assertRegex(parsed["Message-ID"], r"^<\S+@\S+>$")

    def test_a_lone_dot_ends_it_without_i(self):
        _, parsed = self.relayed("a@next.test", text="Subject: dot\n\nbefore\n.\nafter\n")
        self.assertEqual(parsed.get_content().splitlines(), ["before"])

    def test_recipients_from_the_header(self):
        message, parsed = self.relayed("-t", "-oi", text=(
            "From: Me <me@origin.test>\nTo: One <one@next.test>, \"Two, T.\" <two@next.test>\n"
            "Cc: three@next.test\nBcc: four@next.test,\n five@next.test\nSubject: header\n\nbody\n"))
        self.assertEqual(sorted(message.recipients), ["five@next.test", "four@next.test", "one@next.test",
                                                      "three@next.test", "two@next.test"])
        self.assertNotIn(b"four@next.test", message.content)
        self.assertNotIn("Bcc", parsed)
        self.assertEqual(parsed["Cc"], "three@next.test")

    def test_full_name_null_sender_and_long_options(self):
        message, parsed = self.relayed("-F", "A. Person", "-f", "<>", "-bm", "-v", "-odi", "a@next.test",
                                       text="\nbody\n")
        self.assertEqual(message.reverse_path, "")
        self.assertEqual(email.utils.parseaddr(parsed["From"])[0], "A. Person")

    def test_an_address_without_a_domain_is_of_this_host(self):
        message, _ = self.relayed("-f", "root", "postmaster", text="\nbody\n")
        self.assertEqual((message.reverse_path, message.recipients),
                         ("root@mx.relay.test", ["postmaster@mx.relay.test"]))

    def test_eight_bit_content(self):
        message, _ = self.relayed("-i", "a@next.test", text="Subject: umlaut\n\nGr\u00fc\u00dfe\n")
        self.assertIn("Gr\u00fc\u00dfe".encode(), message.content)
        self.assertIn("BODY=8BITMIME", message.parameters)

    def test_smtp_on_standard_input(self):
        sink = self.sink()
        server = self.server(sink).start()
        server.listen = [f"127.0.0.1:{server.port}"]
        server.write_config()
        pipe = spawn([program("brevdue"), "sendmail", "-bs", "-C", server.config], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
        self.addCleanup(end, pipe)
        self.addCleanup(pipe.stdout.close)
        self.addCleanup(pipe.stdin.close)
        content = text(subject="by pipe")
        for said, reply in ((b"", b"220 "), (b"HELO pipe.test\r\n", b"250 "),
                            (b"MAIL FROM:<a@origin.test>\r\n", b"250 "),
                            (b"RCPT TO:<b@next.test>\r\n", b"250 "), (b"DATA\r\n", b"354 "),
                            (content + b".\r\n", b"250 "), (b"QUIT\r\n", b"221 ")):
            pipe.stdin.write(said)
            pipe.stdin.flush()
            self.assertEqual(pipe.stdout.readline()[:4], reply)
        self.assertEqual(pipe.wait(30), 0)
        self.assertTrue(sink.wait_for(1)[0].content.endswith(content))

    def test_mailq(self):
        server = self.server(self.sink(lambda stage, argument: "450 4.2.1 no" if stage == "rcpt" else None)).start()
        queue_id = self.send(server)
        server.wait_until_deferred()
        listed = server.queue("list").stdout
        self.assertEqual(self.sendmail(server, "-bp").stdout, listed)
        self.assertIn(queue_id, listed)
        self.assertEqual(self.sendmail(server, "-q").returncode, 0)
        for name in ("sendmail", "mailq"):
            os.symlink(program("brevdue"), server.directory / name)
        called = self.sendmail(server, "-bp", name=server.directory / "sendmail")
        self.assertIn(queue_id, called.stdout)
        # mailq knows no option: it reads the config of the machine.
        self.assertIn(run([server.directory / "mailq"]).returncode, (0, 74, 75, 77, 78))

    def test_refused_by_the_server(self):
        server = self.server(self.sink(), settings={"mynetworks": ["192.0.2.1"]}).start()
        done = self.sendmail(server, "a@next.test", text="\nbody\n")
        self.assertEqual(done.returncode, 69)
        self.assertIn("554 5.7.1", done.stderr)

    def test_exit_codes(self):
        server = self.server()
        down = self.sendmail(server, "a@next.test", text="\nbody\n")
        self.assertEqual(down.returncode, 75)
        self.assertIn("refused", down.stderr.lower())
        self.assertEqual(self.sendmail(server, "-bs").returncode, 75)
        for words in (("-Z", "a@next.test"), ("-bd",), ("-f",)):
            done = self.sendmail(server, *words)
            self.assertEqual(done.returncode, 64, words)
            self.assertTrue(done.stderr)
        server.start()
        nobody = self.sendmail(server, "-t", text="Subject: to nobody\n\nbody\n")
        self.assertEqual(nobody.returncode, 64)
        self.assertIn("recipient", nobody.stderr)


class ConfAndCheck(EndToEnd):
    def test_conf_prints_what_reads_back(self):
        server = self.server(settings={"smtpd.timeout": "7s"})
        shown = server.command("conf")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, r'(?m)^smtpd\.timeout = "7s"$')
        again = self.server()
        again.config.write_text(shown.stdout)
        self.assertEqual(again.command("conf").stdout, shown.stdout)
        changed = server.command("conf", "-n").stdout
        self.assertIn('smtpd.timeout = "7s"', changed)
        self.assertNotIn("error_limit", changed)
        self.assertRegex(server.command("conf", "-d", "smtpd.timeout").stdout, r'^smtpd\.timeout = "5m"\n$')
        self.assertRegex(server.command("conf", "--docs", "smtpd").stdout, r"(?s)smtpd\.timeout.*RFC 5321")
        unknown = server.command("conf", "smtpd.tiemout")
        self.assertEqual((unknown.returncode, unknown.stdout), (64, ""))
        self.assertIn("smtpd.timeout", unknown.stderr)

    def test_check_names_every_problem(self):
        server = self.server(self.sink())
        server.spool.parent.chmod(0o755)
        server.start()
        server.stop()
        found = server.command("check")
        problems = [line for line in found.stdout.splitlines() + found.stderr.splitlines()
                    if not re.search("no account|nobody|file system of its own", line)]
        self.assertEqual([line for line in problems if "problem" in line or "error" in line], [], found)
        server.config.write_text('hostnaem = "x"\nqueue.backend = "paper"\n')
        broken = server.command("check")
        self.assertEqual(broken.returncode, 1, broken)
        said = broken.stdout + broken.stderr
        self.assertRegex(said, r":1:\d+: .*hostname")
        self.assertRegex(said, r":2:\d+: queue\.backend")

    def test_check_sees_a_spool_of_another_backend(self):
        server = self.server(backend="maildir").start()
        server.stop()
        server.write_config(queue__backend="lmdb")
        done = server.command("check")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"maildir")


class Help(unittest.TestCase):
    def test_every_command_has_a_help_worth_reading(self):
        for words in COMMANDS:
            with self.subTest(words=words):
                done = run([program("brevdue"), *words, "--help"])
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr, "")
                self.assertGreater(len(done.stdout.splitlines()), 2)
                for line in done.stdout.splitlines():
                    self.assertLessEqual(len(line), 120, line)

    def test_bad_usage(self):
        for words in ((), ("juggle",), ("queue",), ("queue", "list", "--nope"), ("serve", "extra"), ("route",),
                      ("conf", "--nope"), ("-x",)):
            with self.subTest(words=words):
                done = run([program("brevdue"), *words])
                self.assertEqual(done.returncode, 64)
                self.assertTrue(done.stderr)
                self.assertEqual(done.stdout, "")

    def test_version(self):
        done = run([program("brevdue"), "--version"])
        self.assertRegex(done.stdout, r"^brevdue \d+\.\d+")


if __name__ == "__main__":
    unittest.main()
