"""kill -9 of each process: the master starts it again, and nothing that was acknowledged is lost."""

import os
import re
import signal
import smtplib
import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.processes import alive
from support.sink import Sink
from support.waiting import wait_for


class RoleDeath(EndToEnd):
    def killed_and_back(self, server, role):
        """kill -9 of the role; its successor."""
        pid = server.kill_role(role)
        server.wait_for_log(rf"master\[\d+\]: warning: {role} \d+ \[{pid}\] was killed by signal 9")
        return wait_for(lambda: server.roles(role), f"another {role}")[0]

    @for_each_backend
    def test_service_goes_on_after_the_death_of_each_role(self, backend):
        sink = self.sink()
        server = self.server(sink, backend).start()
        expected = 0
        for role in ("smtpd", "delivery", "qmgr", "qmgr", "smtpd", "delivery"):
            self.killed_and_back(server, role)
            wait_for(server.greets, "a greeting")
            self.send_until_accepted(server, f"after {role} {expected}")
            expected += 1
            sink.wait_for(expected)
            self.assertIsNone(server.process.poll())
        server.wait_until_empty()
        self.assertEqual(server.stop(), 0)

    def send_until_accepted(self, server, subject):
        """As any client: a 4xx or a lost connection means once more."""
        def accepted():
            try:
                with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
                    client.sendmail("sender@origin.test", ["someone@next.test"], text(subject=subject))
                    return True
            except smtplib.SMTPServerDisconnected:
                return False
            except smtplib.SMTPResponseException as refused:
                self.assertEqual(refused.smtp_code // 100, 4, refused)
                return False
        wait_for(accepted, "a 250")

    @for_each_backend
    def test_deferred_mail_outlives_qmgr(self, backend):
        port = free_port()
        server = self.server(backend=backend, settings={"delivery.relay_host": f"127.0.0.1:{port}"}).start()
        ids = [self.send(server, text(subject=f"n {n}")) for n in range(5)]
        self.killed_and_back(server, "qmgr")
        wait_for(lambda: server.queue("list").returncode == 0, "the control socket")
        self.assertEqual([entry["queue_id"] for entry in server.entries()], ids)
        sink = Sink(port=port)
        self.addCleanup(sink.close)
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual(sorted(self.parse(message.content)["Subject"] for message in sink.messages),
                         [f"n {n}" for n in range(5)])

    def test_a_session_open_while_qmgr_dies_gets_4xx_or_a_250_that_holds(self):
        sink = self.sink()
        server = self.server(sink).start()
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client.ehlo("client.test")
            client.mail("sender@origin.test")
            client.rcpt("someone@next.test")
            client.putcmd("DATA")
            self.assertEqual(client.getreply()[0], 354)
            client.send(text(subject="half")[:-20])
            self.killed_and_back(server, "qmgr")
            client.send(text(subject="half")[-20:] + b".\r\n")
            code, reply = client.getreply()
            self.assertIn(code, (250, 451), reply)
            # The session itself lives, and works once the new qmgr is there.
            wait_for(lambda: client.docmd("MAIL FROM:<again@origin.test>")[0] == 250, "MAIL")
            self.assertEqual(client.rcpt("someone@next.test")[0], 250)
            self.assertEqual(client.data(text(subject="whole"))[0], 250)
        sink.wait_for(2 if code == 250 else 1)
        server.wait_until_empty()
        self.assertIn("again@origin.test", [message.reverse_path for message in sink.messages])

    def test_a_message_in_flight_is_sent_again_when_delivery_dies(self):
        held = []

        def answer(stage, argument):
            if stage == "dot" and not held:
                held.append(argument)
                return "stall"
            return None

        sink = self.sink(answer)
        server = self.server(sink).start()
        queue_id = self.send(server)
        wait_for(lambda: held, "the delivery")
        self.killed_and_back(server, "delivery")
        sink.wait_for(1)
        server.wait_until_empty()
        self.assertEqual(len(re.findall(f"{queue_id}: to=.*status=sent", server.log())), 1)

    def test_the_roles_end_with_the_master(self):
        server = self.server(self.sink()).start()
        roles = wait_for(lambda: server.roles() if len(server.roles()) == 3 else None, "three roles")
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client.ehlo("client.test")
            os.kill(server.master, signal.SIGKILL)
            server.process.wait()
            wait_for(lambda: not any(alive(pid) for pid in roles), "the end of all roles")
        server.start()  # the same spool, the same control socket
        self.send(server)
        server.wait_until_empty()

    @for_each_backend
    def test_kill_of_everything_loses_nothing(self, backend):
        sink = self.sink()
        server = self.server(sink, backend).start()
        for round_number in range(5):
            ids = [self.send(server, text(subject=f"{round_number} {n}")) for n in range(10)]
            self.assertEqual(len(set(ids)), 10)
            server.kill_all()
            server.start()
        wanted = {f"{round_number} {n}" for round_number in range(5) for n in range(10)}
        arrived = lambda: [self.parse(message.content)["Subject"] for message in list(sink.messages)]
        wait_for(lambda: set(arrived()) == wanted, lambda: f"all of it: {sorted(wanted - set(arrived()))} is missing")
        server.wait_until_empty()

    def test_a_role_that_dies_at_once_is_started_ever_more_slowly(self):
        server = self.server(self.sink()).start()
        for _ in range(4):
            pid = wait_for(lambda: server.roles("delivery"), "delivery")[0]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not alive(pid), "its end")
        server.wait_for_log(r"delivery \d+ \[\d+\] was killed by signal 9", count=4)
        self.send(server)
        server.wait_until_empty()


if __name__ == "__main__":
    unittest.main()
