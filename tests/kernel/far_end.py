"""The far end of a line: port 80 sends for ever, takes for ever, or says who asks. Run inside a namespace.

An argument names the congestion control that TCP uses here, in place of the machine's own choice.
"""

from __future__ import annotations

import socket
import socketserver
import sys
from contextlib import suppress

_PIECE = bytes(65536)


class Answer(socketserver.StreamRequestHandler):
    """GET /address, GET anything, or POST."""

    def handle(self) -> None:
        with suppress(OSError):
            first = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            if first.startswith(b"GET /address"):
                self.wfile.write(self.client_address[0].removeprefix("::ffff:").encode())
                return
            while first.startswith(b"GET"):
                self.wfile.write(_PIECE)
            while self.rfile.read1():
                pass


class FarEnd(socketserver.ThreadingTCPServer):
    """One thread for each connection, both families."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    with FarEnd(("::", 80), Answer) as server:
        if len(sys.argv) > 1:
            server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[1].encode())
        server.serve_forever()
