#!/usr/bin/env python3
"""A participant as a program, and an example for groupcast.py.

    participant.py ID LOG COORDINATOR_IP COORDINATOR_PORT [last=N] [here]

Each line of standard input is a command: `send TEXT` sends a text exactly once, any other is a
request of PROTOCOL.md, as `members` or `msend TEXT`. The end of input is `disconnect`.
"""
import re
import sys

from groupcast import Participant

USAGE = "usage: participant.py ID LOG COORDINATOR_IP COORDINATOR_PORT [last=N] [here]"


def say(*words: object) -> None:
    """Prints a line at once."""
    print(*words, flush=True)


def main(ident: str, log: str, host: str, port: str, *options: str) -> None:
    """Prints messages, and carries out commands until the member leaves."""
    last = sum(int(option.removeprefix("last=")) for option in options if option != "here")
    with Participant(ident, log, host, int(port), last, lambda text: say("*", text),
                     "here" in options) as member:
        stdin, command = open(0, "rb", buffering=0), ""
        while command not in ("disconnect", "deregister"):
            message = member.receive(also=stdin)
            if message is not None:
                say(message)
                continue
            command = (stdin.readline().decode(errors="replace") or "disconnect").rstrip("\n")
            word, _, text = command.partition(" ")
            try:
                say(f"OK send seq={member.send(text)}" if word == "send" else member.ask(command))
            except ValueError as why:
                say("error:", why)
            except OSError:
                say("* not known whether it was carried out:", command)


if __name__ == "__main__":
    port, options = "".join(sys.argv[4:5]), sys.argv[5:]
    if not port.isdecimal() or not all(re.fullmatch("last=[0-9]+|here", it) for it in options):
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    try:
        main(*sys.argv[1:])
    except EOFError as why:
        sys.exit(str(why))
