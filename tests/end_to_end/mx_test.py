"""Where mail goes: MX routing with a DNS server that says what the test wants."""

import re
import signal
import subprocess
import unittest

from support.case import EndToEnd, free_port, text
from support.processes import end, program, spawn
from support.waiting import wait_for

# Each exchange has an address of its own; all listen on one port, which is that of delivery.port.
ZONE = """
two.test            MX 10 first.two.test
two.test            MX 20 second.two.test
first.two.test      A 127.0.2.1
second.two.test     A 127.0.2.2
null.test           MX 0 .
null.test           A 127.0.2.1
bare.test           A 127.0.2.3
alias.test          CNAME bare.test
dangling.test       MX 10 nowhere.test
broken.test         ! servfail
silent.test         ! timeout
nonsense.test       ! nonsense
cut.test            ! cut
forged.test         ! wrong-id
origin.test         A 127.0.2.9
equal.test          MX 10 first.two.test
equal.test          MX 10 second.two.test
loop.test           MX 10 mx.relay.test
mx.relay.test       A 127.0.2.8
"""


class MxRouting(EndToEnd):
    def setUp(self):
        self.folder = self.directory()
        self.zone = self.folder / "zone"
        self.zone.write_text(ZONE)
        self.dns = spawn([program("brevdue-fake-dns"), self.zone], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.dns.stdout.close)
        self.addCleanup(end, self.dns)
        self.dns_address = self.dns.stdout.readline().strip()
        self.port = free_port()

    def exchange(self, address, *arguments, **options):
        return self.sink(*arguments, host=address, port=self.port, **options)

    def started(self, **settings):
        chosen = {"dns.servers": [self.dns_address], "dns.timeout": "200ms", "dns.tries": 1,
                  "dns.addresses": "ipv4_only", "delivery.port": self.port, "delivery.connect_timeout": "1s",
                  **settings}
        return self.server(settings=chosen, directory=self.folder).start()

    def route(self, server, address):
        return server.command("route", address)

    def test_the_exchange_of_lowest_preference_comes_first(self):
        first, second = self.exchange("127.0.2.1"), self.exchange("127.0.2.2")
        server = self.started()
        queue_id = self.send(server, to=["a@two.test", "b@two.test"])
        message = first.wait_for(1)[0]
        server.wait_until_empty()
        self.assertEqual(message.recipients, ["a@two.test", "b@two.test"])
        self.assertEqual(second.messages, [])
        server.wait_for_log(rf"{queue_id}: to=<a@two\.test>, "
                            rf"relay=first\.two\.test\[127\.0\.2\.1\]:{self.port}, .*sent")

    def test_the_next_exchange_is_tried_when_one_is_away_or_unwilling(self):
        second = self.exchange("127.0.2.2")
        server = self.started()
        self.send(server, to=["away@two.test"])
        second.wait_for(1)
        unwilling = self.exchange("127.0.2.1", lambda stage, argument: "421 no" if stage == "connect" else None)
        self.send(server, to=["unwilling@two.test"])
        second.wait_for(2)
        server.wait_until_empty()
        self.assertGreaterEqual(unwilling.connections, 1)

    def test_a_refusal_of_the_first_exchange_is_final(self):
        first = self.exchange("127.0.2.1", lambda stage, argument: "550 5.1.1 no" if stage == "rcpt" else None)
        second, home = self.exchange("127.0.2.2"), self.exchange("127.0.2.9")
        server = self.started()
        self.send(server, to=["a@two.test"])
        home.wait_for(1)
        server.wait_until_empty()
        self.assertEqual((first.messages, second.messages), ([], []))

    def test_without_mx_the_address_of_the_domain(self):
        bare = self.exchange("127.0.2.3")
        server = self.started()
        self.send(server, to=["a@bare.test"])
        self.send(server, to=["a@alias.test"])
        bare.wait_for(2)
        server.wait_until_empty()

    def test_equal_preferences_share(self):
        first, second = self.exchange("127.0.2.1"), self.exchange("127.0.2.2")
        server = self.started()

        def both():
            self.send(server, to=["a@equal.test"])
            return first.messages and second.messages
        wait_for(both, "mail at both")
        server.wait_until_empty()

    def status_of(self, domain, status):
        """Mail for it comes back at once, with this status."""
        home = self.exchange("127.0.2.9")
        server = self.started()
        self.send(server, to=[f"a@{domain}"])
        report = self.parse(home.wait_for(1)[0].content)
        server.wait_until_empty()
        recipient = report.get_payload(1).get_payload()[1]
        self.assertEqual((recipient["Action"], recipient["Status"]), ("failed", status))
        return server

    def test_a_null_mx_takes_no_mail(self):
        taker = self.exchange("127.0.2.1")
        server = self.status_of("null.test", "5.1.10")
        self.assertEqual(taker.messages, [])
        server.wait_for_log(r"to=<a@null\.test>, relay=none, .*dsn=5\.1\.10, status=bounced")

    def test_a_domain_that_does_not_exist(self):
        self.status_of("nowhere.test", "5.1.2")

    def test_an_exchange_that_is_ourselves(self):
        self.exchange("127.0.2.8", extensions=(), name="mx.relay.test")
        self.status_of("loop.test", "5.4.6")

    def test_dns_that_fails_or_lies_defers(self):
        bare = self.exchange("127.0.2.3")
        server = self.started()
        domains = ("broken.test", "silent.test", "nonsense.test", "cut.test", "forged.test")
        for domain in domains:
            self.send(server, to=[f"a@{domain}"])
        self.send(server, to=["good@bare.test"])
        bare.wait_for(1)
        entries = wait_for(lambda: (found := server.entries()) and
                           [one["queue_name"] for one in found] == ["deferred"] * len(domains) and found,
                           lambda: f"all deferred\n{server.queue('list').stdout}\n{server.log()}")
        for entry in entries:
            self.assertEqual(entry["attempts"], 1)
        for domain in domains:
            server.wait_for_log(rf"to=<a@{re.escape(domain)}>, relay=none, .*dsn=4\.4\.3, status=deferred")
        self.zone.write_text(re.sub(r"(\S+\.test) +! .*", r"\1 A 127.0.2.3", ZONE))
        self.dns.send_signal(signal.SIGHUP)

        def left():
            server.queue("flush")
            return not server.entries()
        wait_for(left, lambda: f"all to leave\n{server.queue('list').stdout}")
        self.assertEqual(len(bare.messages), 1 + len(domains))

    def test_a_name_server_that_is_not_there(self):
        self.dns.kill()
        self.dns.wait()
        server = self.started()
        self.send(server, to=["a@two.test"])
        entry = server.wait_until_deferred()[0]
        self.assertTrue(entry["recipients"][0]["delay_reason"])

    def test_route_says_the_way_and_why(self):
        server = self.started()
        shown = self.route(server, "someone@two.test")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        first, second = (shown.stdout.find(f"{name}.two.test") for name in ("first", "second"))
        self.assertTrue(0 <= first < second, shown.stdout)
        self.assertIn("127.0.2.1", shown.stdout)
        self.assertIn(str(self.port), shown.stdout)
        for domain, words in (("null.test", "5.1.10"), ("nowhere.test", "5.1.2"), ("broken.test", "4.4.3")):
            told = self.route(server, domain)
            self.assertIn(words, told.stdout + told.stderr)
            self.assertNotEqual(told.returncode, 0, told.stdout)
        server.write_config(delivery__relay_host="127.0.0.1:2526")
        relayed = self.route(server, "someone@two.test")
        self.assertIn("127.0.0.1", relayed.stdout)
        self.assertIn("relay_host", relayed.stdout)
        self.assertEqual(self.route(server, "").returncode, 64)


if __name__ == "__main__":
    unittest.main()
