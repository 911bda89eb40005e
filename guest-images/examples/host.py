#!/usr/bin/python3
"""host.py SOCKET LINE...: sends lines to the program at a port's other end (guest.c) and prints its answers.

SOCKET is the port's Unix socket: swiftvm run --virtserialport name=org.fedoraproject.port.0,socket=SOCKET
"""
import socket
import sys

if len(sys.argv) < 3:
    sys.exit(__doc__)

with socket.socket(socket.AF_UNIX) as port:
    # A guest that is not up yet does not refuse: what is sent waits until the port is opened there.
    port.connect(sys.argv[1])
    with port.makefile("rw") as lines:
        for line in sys.argv[2:]:
            print(line, file=lines, flush=True)
            answer = lines.readline()
            if not answer:
                sys.exit("the other end hung up")
            print(answer, end="")
