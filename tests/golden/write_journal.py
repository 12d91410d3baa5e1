#!/usr/bin/env python3
"""Writes a data_dir with three segments: write_journal.py COORDINATOR DIRECTORY"""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

COORDINATOR, DIRECTORY = sys.argv[1:]
CONFIG = tempfile.NamedTemporaryFile("w", suffix=".txt")
CONFIG.write(f"0\n3600\ndata_dir={DIRECTORY}\n")
CONFIG.flush()
# Cursors are written at most 100 ms after they move.
CURSORS_WRITTEN = 0.3


class Client:
    """A command socket, and the message socket of its member."""

    def __init__(self, port, name):
        self.command = socket.create_connection(("127.0.0.1", port))
        self.replies = self.command.makefile("r")
        self.name = name
        self.message = None

    def send(self, command):
        self.command.sendall(f"{self.name}#{command}#127.0.0.1\n".encode())

    def ask(self, command):
        self.send(command)
        return self.replies.readline().strip()

    def join(self, verb, options=""):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.send(f"{verb} {listener.getsockname()[1]} {options}".strip())
            self.message, _ = listener.accept()
        return self.replies.readline().strip()

    def ack(self, number):
        lines = self.message.makefile("r")
        while not lines.readline().startswith(f"{number}#"):
            pass
        self.message.sendall(f"ack {number}\n".encode())


def start(*options):
    program = subprocess.Popen([COORDINATOR, CONFIG.name, *options], stdout=subprocess.PIPE, text=True)
    return program, int(re.search(r"listening on \S+:(\d+)", program.stdout.readline()).group(1))


def end(program, how):
    time.sleep(CURSORS_WRITTEN)
    program.send_signal(how)
    program.wait()


program, port = start()
alice, bob, gone = (Client(port, name) for name in ("alice", "bob", "gone"))
alice.join("register", "acks=1")
bob.join("register", "acks=1")
gone.join("register")
for number in range(1, 6):
    alice.ask(f"msend from alice {number}")
bob.ask("msend from bob # with a mark")
gone.ask("deregister")
bob.ack(3)
end(program, signal.SIGKILL)

program, port = start()
alice, carol = Client(port, "alice"), Client(port, "carol")
alice.join("reconnect", "acks=1")
carol.join("register", "acks=1")
alice.ask("msend sp\u00e4ter")
carol.ask("msend from carol")
alice.ask("disconnect")
end(program, signal.SIGTERM)

program, port = start("--new-epoch")
carol = Client(port, "carol")
carol.join("reconnect", "acks=1")
carol.ask("msend in the new epoch")
end(program, signal.SIGKILL)
