"""The sockets and the files of a member of groupcast: groupcast.py needs this file."""
from __future__ import annotations

import contextlib, os, pathlib, re, secrets, socket
from typing import Callable

KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
LINE_BYTES_MAX = 16_777_280  # Of the message socket.


class Connection:
    """A command socket, the message socket of one `reconnect` or `register`, and its reply.

    Every method raises OSError or ValueError if the connection is broken.
    """

    def __init__(self, ident: str, coordinator: tuple[str, int], since: str, last: int,
                 is_here: bool, notice: Callable[[str], object]) -> None:
        self.id, self.line_bytes_max, self._rest = ident, 65536, b""
        with contextlib.ExitStack() as sockets:  # Closes them if the rest fails.
            self._sockets = sockets
            self.commands = self._keep(socket.create_connection(coordinator, timeout=10), 30)
            self._replies = sockets.enter_context(self.commands.makefile(newline="\n"))
            self.ip = "-" if is_here else self.commands.getsockname()[0]
            if is_here:
                self._join_here(coordinator, since, last, notice)
            else:
                self._join_at_port(since, last, notice)
            self._sockets = sockets.pop_all()

    def ask(self, command: str) -> str:
        """Sends a request, and returns its reply. OSError: the reply is lost."""
        self.commands.sendall(self._request(command))
        reply = self._replies.readline()
        rows = int(reply.split()[2]) if reply.startswith(("OK members ", "OK stats ")) else 0
        reply += "".join(self._replies.readline() for _ in range(rows))
        if reply.count("\n") <= rows:
            raise ConnectionError("the command socket ended")
        return reply[:-1]

    def end_of_commands(self) -> Exception:
        """Returns the error of a command socket that has input without a request."""
        return ConnectionError(self._replies.readline().strip() or "the command socket ended")

    def read(self) -> list[str]:
        """Returns the whole lines that the message socket has now: messages, gaps and `bye`."""
        data = self.messages.recv(1 << 18)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data or len(self._rest) > LINE_BYTES_MAX:
            raise ConnectionError("a line is too long" if data else "the message socket ended")
        return [line.removesuffix(b"\r").decode() for line in lines]

    def acknowledge(self, seq: int) -> None:
        """Acknowledges all messages up to this number, which the message socket has brought."""
        self.messages.sendall(f"ack {seq}\n".encode())

    def close(self) -> None:
        """Closes both sockets."""
        self._sockets.close()

    def _request(self, command: str) -> bytes:
        request = f"{self.id}#{command}#{self.ip}\n".encode()
        if len(request) > self.line_bytes_max or "\n" in command:
            raise ValueError(f"{len(request) - self.line_bytes_max} bytes too long")
        return request

    def _keep(self, sock: socket.socket, timeout_s: float) -> socket.socket:
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in filter(lambda name: hasattr(socket, name), KEEPALIVE):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE[name])
        return self._sockets.enter_context(sock)

    def _join_at_port(self, since: str, last: int, notice: Callable[[str], object]) -> None:
        """Joins with a listener, and waits for the connection of the coordinator."""
        with socket.create_server((self.ip, 0), family=self.commands.family) as listener:
            listener.settimeout(5)
            hello = self._join(self.ask, listener.getsockname()[1], since, last, notice)
            self.messages = self._accept(listener, hello, notice)

    def _join_here(self, coordinator: tuple[str, int], since: str, last: int,
                   notice: Callable[[str], object]) -> None:
        """Joins on a second connection, which becomes the message socket."""
        self.messages = self._keep(socket.create_connection(coordinator, timeout=10), 30)

        def read_line() -> str:
            line = b""
            while not line.endswith(b"\n"):  # No byte more: messages may follow.
                byte = self.messages.recv(1)
                if not byte:
                    raise ConnectionError("the message socket ended")
                line += byte
            return line.decode()

        def ask(command: str) -> str:
            self.messages.sendall(self._request(command))
            return read_line()[:-1]

        hello = self._join(ask, "here", since, last, notice)
        if read_line() != hello:
            raise ConnectionError("the message socket does not begin with its hello line")
        self.messages.settimeout(5)

    def _join(self, ask: Callable[[str], str], to: int | str, since: str, last: int,
              notice: Callable[[str], object]) -> str:
        """Reconnects, or registers if the id is no member. Returns the first line due."""
        nonce = secrets.token_hex(16)
        options = f"{to} acks=1 nonce={nonce}"
        self.reply = ask(f"reconnect {options}" + (f" since={since}" if since else ""))
        self.is_new = self.reply.startswith("ERR 404")
        if self.is_new:
            self.reply = ask(f"register {options}" + (f" last={last}" if last else ""))
        if self.is_new and last and self.reply.startswith("ERR 400 option: "):
            notice("the coordinator is too old for last=: no earlier messages")
            self.reply = ask(f"register {options}")
        if not self.reply.startswith("OK "):
            raise ConnectionError(self.reply)
        fields = dict(re.findall("([a-z_]+)=([^ ]+)", self.reply))
        self.epoch = fields.get("epoch", "")
        self.next_seq = int(fields.get("next", 0)) + int(fields.get("last", 0))
        self.published = int(fields.get("published", -1))  # -1: too old for `send`.
        self.line_bytes_max = int(fields.get("max_line", 65536))
        return f"hello#{nonce}#{self.epoch}\n"

    def _accept(self, listener: socket.socket, hello: str,
                notice: Callable[[str], object]) -> socket.socket:
        """Returns the connection that the coordinator makes, and drops all others."""
        while True:
            sock, address = listener.accept()
            with contextlib.ExitStack() as dropped:
                dropped.enter_context(sock).settimeout(5)
                with contextlib.suppress(OSError), sock.makefile("rb", buffering=0) as first:
                    is_hello = first.readline(len(hello)) == hello.encode()
                    if is_hello and address[0] == self.commands.getpeername()[0]:
                        dropped.pop_all()
                        return self._keep(sock, 5)
            notice(f"dropped a connection from {address[0]}: not the coordinator")


class MessageLog:
    """The file of received messages. The file PATH.since has its epoch, last number and length."""

    def __init__(self, path: str) -> None:
        self._path, self._file, since = path, open(path, "ab"), pathlib.Path(path + ".since")
        words = since.read_text().split() if since.exists() else ["", "0", str(self._file.tell())]
        self.epoch, self.last = words[0], int(words[1])
        self._length = min(int(words[2]), self._file.tell())

    def store(self, epoch: str, last: int, entries: str) -> None:
        """Stores all entries, or none. Against power loss: fsync both files."""
        self._file.truncate(self._length)  # A part of entries that were not acknowledged.
        self._file.write(entries.encode())
        length = self._file.seek(0, os.SEEK_END)  # Flushes.
        pathlib.Path(self._path + ".new").write_text(f"{epoch} {last} {length}\n")
        os.replace(self._path + ".new", self._path + ".since")
        self.epoch, self.last, self._length = epoch, last, length

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
