# SPDX-License-Identifier: Apache-2.0
"""What kubectl exec and attach do behind the URL that the CRI gives: channels in a WebSocket (v4.channel.k8s.io)."""

import base64
import os
import socket
import struct
import urllib.parse

STDIN, STDOUT, STDERR, ERROR = range(4)


class Channels:
    def __init__(self, url, protocol="v4.channel.k8s.io", timeout_s=60):
        parts = urllib.parse.urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout_s)
        path = parts.path + ("?" + parts.query if parts.query else "")
        self._socket.sendall((
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\nOrigin: http://{parts.netloc}\r\n\r\n").encode())
        self._file = self._socket.makefile("rb")
        status = self._file.readline()
        while self._file.readline().strip():
            pass
        if b" 101 " not in status:
            raise ConnectionError(f"{url}: {status.decode().strip()} {self._file.read(200)!r}")

    def send(self, channel, data):
        payload = bytes([channel]) + data
        mask = os.urandom(4)
        size = len(payload)
        head = struct.pack("!BB", 0x82, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x82, 0xFE, size)
        self._socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def receive(self):
        """The next (channel, bytes); None at the end."""
        while True:
            head = self._file.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return None
            size = head[1] & 127
            if size == 126:
                size = struct.unpack("!H", self._file.read(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self._file.read(8))[0]
            payload = self._file.read(size)
            if head[0] & 15 in (1, 2) and payload:
                return payload[0], payload[1:]

    def read_all(self):
        """All that comes, by channel, until the other side ends."""
        streams = {}
        while (message := self.receive()) is not None:
            streams[message[0]] = streams.get(message[0], b"") + message[1]
        return streams

    def close(self):
        self._file.close()
        self._socket.close()
