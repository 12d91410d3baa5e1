"""A client of groupcast for your programs, from PROTOCOL.md alone. Python 3.9, standard library.

    with Participant("dave", "dave.log", "10.0.0.1", 5000) as member:
        member.send("hello")
        for message in member:
            print(message.sender, message.text)

Copy this file and connection.py. participant.py is an example.
"""
from __future__ import annotations

import contextlib, math, random, re, select, time
from typing import Any, Callable, Iterator, NamedTuple

from connection import Connection, MessageLog

STAY_OFFLINE = ("disconnected", "deregistered", "taken over by ", "bad ack")


class Message(NamedTuple):
    """A message; or a gap: "gap", number of lost messages, the first and the last of them."""

    seq: str
    sender: str  # "@": the coordinator, about a member that comes or goes.
    unix_ms: str
    text: str
    def __str__(self) -> str:
        return "# " * (self.seq == "gap") + "\t".join(self)


class Participant:
    """A member, for one thread. It joins, and comes back when a connection breaks: calls wait.

    Messages are in the file `log` before they are acknowledged and returned, so `kill -9` costs
    none. `log`.since holds the epoch, the last number and the length of `log`. A newcomer first
    gets the `last` messages so far. With `here` it needs no listener: behind NAT, in a container or
    behind a firewall. `notice` takes a line when the member is online, offline,
    registered anew, or numbers its texts anew. Calls raise EOFError if the member has to stay
    offline, as after a takeover.
    """
    def __init__(self, ident: str, log: str, host: str, port: int, last: int = 0,
                 notice: Callable[[str], object] = print, here: bool = False) -> None:
        self.id, self._coordinator, self._notice = ident, (host, port), notice
        self._log, self._earlier, self._here = MessageLog(log), last, here
        self._inbox: list[Message] = []  # Stored, and not yet returned.
        self._number, self._tried = 0, -2  # Of the next text; of the last one without a reply.
        self._connection: Connection | None = None
        self._pause, self._began = 0.2, 0.0
    def __enter__(self) -> Participant:
        self._online()
        return self
    def __exit__(self, *_: object) -> None:
        """Leaves with `disconnect`: messages wait for the member until they expire."""
        with contextlib.suppress(OSError):
            if self._connection:
                self._connection.ask("disconnect")
        self._close()
        self._log.close()
    def __iter__(self) -> Iterator[Message]:
        return iter(self.receive, None)
    def receive(self, timeout_s: float = math.inf, also: Any = None) -> Message | None:
        """Returns the next message; None after the time, or when the file `also` can be read."""
        end, is_over = time.monotonic() + timeout_s, False
        while not self._inbox and not is_over:
            is_over = self._wait(end - time.monotonic(), also) or time.monotonic() >= end
        return self._inbox.pop(0) if self._inbox else None
    def send(self, text: str) -> int:
        """Sends a text exactly once, however long that takes. Returns its number in the group; 0 if
        that was lost. ValueError: no coordinator accepts such a text. OSError: this coordinator is
        too old for `send`, and may have accepted the text."""
        while True:
            self._online()
            number = self._number
            try:
                reply = self.ask(f"send {number} {text}" if number else f"msend {text}")
            except OSError:
                if not number:
                    raise
                self._tried = number  # Its reply is lost: the number tells a second one.
                continue
            seq = re.search(" seq=([0-9]+)", reply)
            if reply.startswith("OK ") and (seq or number == self._tried):
                self._number += number > 0
                return int(seq[1]) if seq else 0
            if not re.match("OK |ERR (404|409|429|503|506|507)", reply):
                raise ValueError(reply)
            if not reply.startswith(("ERR 429", "ERR 506", "ERR 507")):
                self._go_offline(reply)  # The next `published` tells the right number.
            time.sleep(0.1)
            self._wait(0.4)  # Refused for now. Meanwhile messages come, and are acknowledged.
    def ask(self, command: str) -> str:
        """Sends a request of PROTOCOL.md once, and returns its reply. OSError: it is lost."""
        try:
            return self._online().ask(command)
        except OSError as why:
            self._go_offline(why)
            raise
    def _online(self) -> Connection:
        while not self._connection:
            self._began, log = time.monotonic(), self._log
            since, last = (f"{log.epoch}:{log.last}", 0) if log.epoch else ("", self._earlier)
            try:
                self._on_joined(Connection(self.id, self._coordinator, since, last, self._here,
                                           self._notice))
            except (OSError, ValueError) as why:
                self._go_offline(why)
        return self._connection
    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
    def _go_offline(self, why: object) -> None:
        self._close()
        self._notice(f"offline: {why}")
        self._pause = 0.2 if time.monotonic() - self._began > 10 else min(2 * self._pause, 15)
        time.sleep(self._pause * random.uniform(1, 2))
    def _on_joined(self, connection: Connection) -> None:
        self._connection = connection
        if connection.is_new and self._log.epoch:
            self._notice("registered anew: earlier messages may be missing")
        self._notice(connection.reply)
        published = connection.published
        if published not in (self._number - 1, self._tried):
            if self._number:
                self._notice(f"new numbers: published={published}, not {self._number - 1}")
            self._number, self._tried = published + 1, -2
        if connection.epoch != self._log.epoch or connection.next_seq <= self._log.last:
            self._log.store(connection.epoch, 0, f"# epoch {connection.epoch}\n")
    def _wait(self, seconds: float, also: Any = None) -> bool:
        """Receives what comes in time, and returns true if `also` can be read."""
        connection = self._online()
        files = [connection.messages, connection.commands] + [also] * (also is not None)
        ready = select.select(files, [], [], max(0, min(seconds, 1e6)))[0]
        try:
            if connection.messages in ready:
                self._take(connection)
            elif connection.commands in ready:
                raise connection.end_of_commands()
        except (OSError, ValueError, TypeError) as why:
            self._go_offline(why)
        return also in ready
    def _take(self, connection: Connection) -> None:
        lines = connection.read()
        bye = lines.pop()[4:] if lines and lines[-1].startswith("bye#") else ""
        messages = [Message(*line.split("#", 3)) for line in lines]
        numbers = [int(it.text if it.seq == "gap" else it.seq) for it in messages]
        new = [message for message, number in zip(messages, numbers) if number > self._log.last]
        if new:
            entries = "".join(f"{message}\n" for message in new)
            self._log.store(self._log.epoch, numbers[-1], entries)
            self._inbox += new
        if bye.startswith(STAY_OFFLINE):
            self._close()
            raise EOFError(f"offline: {bye}")
        if bye:
            raise ConnectionError(bye)
        if numbers:
            connection.acknowledge(numbers[-1])
