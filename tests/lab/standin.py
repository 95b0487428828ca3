"""A service for the supervisor's tests: says READY=1 and answers each connection with its process id."""

from __future__ import annotations

import os
import sys

from meshctl.service import notify, passed_sockets

if __name__ == "__main__":
    sys.stderr.write(" ".join(["standing in", *sys.argv[1:]]) + "\n")
    if "die" in sys.argv:
        sys.exit(3)
    [listener] = passed_sockets()["first"]
    notify("READY=1")
    while True:
        channel, _ = listener.accept()
        channel.sendall(str(os.getpid()).encode())
        channel.close()
