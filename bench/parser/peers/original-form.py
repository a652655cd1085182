"""The form of the original design: a Python program that reads lines from a socket, asks `in`, then a regular expression.

    python3 original-form.py HOST PORT

Reads the PROXY header (version 1) as the first line of a connection; the device is its source. The task is made as JSON and
counted where it would be put. SIGTERM ends it, and it prints {"lines": ..., "matches": ..., "bytes": ...}.
"""

import json
import os
import re
import signal
import socketserver
import sys

password = re.compile(r" sshd\[\d+\]: Failed password for (?:invalid user )?(.*) from (\S+) port \d+ ssh2$")
link = re.compile(r" netplugd\[\d+\]: (\S+): state (?:DOWN|ACTIVE) flags ")
counts = {"lines": 0, "matches": 0, "bytes": 0}


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        header = self.rfile.readline().decode("ascii")
        if not header:
            return
        host = header.split(" ")[2]
        lines = 0
        while raw := self.rfile.readline():
            lines += 1
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if "Failed password" in line:
                found = password.search(line)
                if found:
                    put({"host": host, "type": "password_failed", "from": found[2], "user": found[1]})
            elif "netplugd" in line and (": state DOWN" in line or ": state ACTIVE" in line):
                found = link.search(line)
                if found:
                    put({"host": host, "type": "interface_down", "interface": found[1]})
        counts["lines"] += lines


def put(task):
    counts["matches"] += 1
    counts["bytes"] += len(json.dumps(task))


class Server(socketserver.TCPServer):
    allow_reuse_address = True


def end(*_):
    print(json.dumps(counts), flush=True)
    os._exit(0)


signal.signal(signal.SIGTERM, end)
Server((sys.argv[1], int(sys.argv[2])), Connection).serve_forever()
