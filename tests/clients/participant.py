#!/usr/bin/env python3
"""A participant of groupcast, written from PROTOCOL.md alone. Python 3.9, standard library only.

    participant.py ID LOG COORDINATOR_IP COORDINATOR_PORT

Joins, appends messages to LOG, and comes back when a connection breaks. Each line of standard input
is a command, as `msend TEXT`; its end is `disconnect`. LOG.since holds the epoch, the last number
and the length of LOG, and is replaced before messages are acknowledged: so `kill -9` costs nothing.
"""
import contextlib, os, pathlib, random, secrets, select, socket, sys, time
STAY_OFFLINE = ("disconnected", "deregistered", "taken over by ", "bad ack")
KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
class Lines:
    def __init__(self, sock, timeout_s):
        self.sock, self.rest = sock, b""
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in filter(lambda name: hasattr(socket, name), KEEPALIVE):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE[name])
    def read(self):
        data = self.sock.recv(1 << 18)
        if not data or len(self.rest) > 16_777_280:
            raise ConnectionError("a line is too long" if data else "the stream ended")
        self.rest += data
    def take(self, count=-1):
        *lines, self.rest = self.rest.split(b"\n", count)
        return [line.removesuffix(b"\r").decode() for line in lines]
    def one(self):
        while b"\n" not in self.rest:
            self.read()
        return self.take(1)[0]

class Participant:
    def __init__(self, ident, path, host, port):
        self.id, self.path, self.coordinator = ident, path, (host, int(port))
        self.log, self.input = open(path, "ab"), open(0, "rb", buffering=0)
        saved = pathlib.Path(path + ".since")
        words = saved.read_text().split() if saved.exists() else ["none", 0, self.log.tell()]
        self.epoch, self.last = words[0], int(words[1])
        self.length = min(int(words[2]), self.log.tell())
    def store(self, epoch, last, entries):
        self.log.truncate(self.length)  # What was written and not acknowledged comes again.
        self.log.write("".join(entries).encode())
        length = self.log.seek(0, os.SEEK_END)  # Flushes. Against power loss: fsync both files.
        pathlib.Path(self.path + ".new").write_text(f"{epoch} {last} {length}\n")
        os.replace(self.path + ".new", self.path + ".since")
        self.epoch, self.last, self.length = epoch, last, length
        print("".join(entries), end="")
    def ask(self, command):
        self.command.sock.sendall(f"{self.id}#{command}#{self.ip}\n".encode())
        reply = self.command.one()
        rows = int(reply.split()[2]) if reply.startswith(("OK members ", "OK stats ")) else 0
        return "\n".join([reply] + [self.command.one() for _ in range(rows)])
    def join(self):
        self.command = Lines(socket.create_connection(self.coordinator, timeout=10), 30)
        self.ip, peer = self.command.sock.getsockname()[0], self.command.sock.getpeername()[0]
        with socket.create_server((self.ip, 0), family=self.command.sock.family) as listener:
            listener.settimeout(5)
            port, nonce = listener.getsockname()[1], secrets.token_hex(16)
            since = "" if self.epoch == "none" else f" since={self.epoch}:{self.last}"
            reply = self.ask(f"reconnect {port} acks=1 nonce={nonce}{since}")
            if reply.startswith("ERR 404"):
                print("* joining as a new member: earlier messages may be missing")
                reply = self.ask(f"register {port} acks=1 nonce={nonce}")
            if not reply.startswith("OK "):
                raise ConnectionError(reply)
            fields = dict(field.split("=", 1) for field in reply.split(" ")[2:])
            epoch, self.line_bytes_max = fields["epoch"], int(fields.get("max_line", 65536))
            while True:
                sock, address = listener.accept()
                self.messages = Lines(sock, 5)
                with contextlib.suppress(OSError, ValueError):
                    if address[0] == peer and self.messages.one() == f"hello#{nonce}#{epoch}":
                        break
                print(f"* dropped a connection from {address[0]}: not the coordinator")
        print(reply)
        if epoch != self.epoch or int(fields["next"]) <= self.last:
            self.store(epoch, 0, [f"# epoch {epoch}\n"])
    def take(self):
        entries, last, brought, lines = [], self.last, 0, self.messages.take()
        bye = lines.pop()[4:] if lines and lines[-1].startswith("bye#") else None
        for kind, *fields in (line.split("#", 3) for line in lines):
            brought = int(fields[2] if kind == "gap" else kind)
            if brought > last:
                last = brought
                entries.append("# " * (kind == "gap") + "\t".join([kind, *fields]) + "\n")
        if entries:
            self.store(self.epoch, last, entries)
        if bye is not None:
            raise SystemExit(f"offline: {bye}") if bye.startswith(STAY_OFFLINE) else OSError(bye)
        if brought:
            self.messages.sock.sendall(f"ack {brought}\n".encode())
    def serve(self):
        command = None
        while command not in ("disconnect", "deregister"):
            self.asked = None
            self.take()
            ready = select.select([self.messages.sock, self.command.sock, self.input], [], [])[0]
            if self.messages.sock in ready:
                self.messages.read()
            elif self.command.sock in ready:
                self.command.read()  # Its end, or an `ERR` without a request.
            else:
                self.asked = command = (self.input.readline().decode() or "disconnect").strip("\n")
                room = self.line_bytes_max - len(f"{self.id}#{command}#{self.ip}\n".encode())
                print(self.ask(command) if room >= 0 else f"error: {-room} bytes too long")
    def run(self):
        pause = 0.2
        while True:
            self.command = self.messages = self.asked = None  # Closed: `since` will be exact.
            began = time.monotonic()
            try:
                self.join()
                return self.serve()
            except (OSError, ValueError) as why:
                print(f"* offline: {why}", f"(not known: {self.asked})" * bool(self.asked))
            pause = 0.2 if time.monotonic() - began > 10 else min(2 * pause, 15)
            time.sleep(pause * random.uniform(1, 2))
sys.stdout.reconfigure(line_buffering=True)
Participant(*sys.argv[1:5]).run()
