"""DNS server on loopback, with records from tests or a file."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

# Bytes of a UDP response. A longer one is truncated and flagged, and clients retry by TCP (RFC 1035, 4.2.1).
MAX_UDP_BYTES = 512
TTL = 60
TRIES = 20


class DnsServer:
    """Serves records of `put("shop.example", "MX", "10 mx.in.example.")`, or NXDOMAIN.

    zone: a file with more records, `{"shop.example MX": ["10 mx.in.example."]}`, read again when it changes. Names in
    `broken` get SERVFAIL, names in `silent` no response. questions: name and type of each question.
    """

    def __init__(self, port: int = 0, zone: Path | None = None) -> None:
        self.zone = zone
        self._read_at = 0.0
        self.records: dict[tuple[str, str], list[str]] = {}
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.questions: list[tuple[str, str]] = []
        self._udp, self._tcp = _pair(port)
        self.port: int = self._udp.server_address[1]
        self._udp.names = self._tcp.names = self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def put(self, name: str, kind: str, *values: str) -> None:
        """Add records in zone file syntax: final dots, quoted texts."""
        self.records[_name(name), kind] = list(values)

    def __enter__(self) -> Self:
        for server in (self._udp, self._tcp):
            threading.Thread(target=server.serve_forever, args=(0.05,), name="nameserver", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def answer(self, data: bytes) -> dns.message.Message | None:
        try:
            query = dns.message.from_wire(data)
            [question] = query.question
        except (dns.exception.DNSException, ValueError):
            return None
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self._read()
        self.questions.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        values = self._found(name, kind)
        if name in self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif values is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif values:
            reply.answer.append(dns.rrset.from_text(question.name, TTL, "IN", kind, *values))
        return reply

    def _read(self) -> None:
        try:
            changed = self.zone.stat().st_mtime if self.zone else 0.0
            if self.zone is None or changed == self._read_at:
                return
            for key, values in json.loads(self.zone.read_text()).items():
                name, _, kind = key.rpartition(" ")
                self.put(name, kind, *values)
            self._read_at = changed
        except (OSError, ValueError, AttributeError):
            # Absent, or only partly written.
            return

    def _found(self, name: str, kind: str) -> Iterable[str] | None:
        """Records of that type; None for an unknown name."""
        if (name, kind) in self.records:
            return self.records[name, kind]
        return () if any(known == name or known.endswith(f".{name}") for known, _ in self.records) else None


def _pair(port: int) -> tuple[_Udp, _Tcp]:
    """Bind both servers to one port; for 0, one free for both."""
    for left in reversed(range(1 if port else TRIES)):
        udp = _Udp(("127.0.0.1", port), _Datagram)
        try:
            return udp, _Tcp(("127.0.0.1", udp.server_address[1]), _Stream)
        except OSError:
            udp.server_close()
            if not left:
                raise
    raise AssertionError


def _name(text: str) -> str:
    return dns.name.from_text(text).to_text(omit_final_dot=True).lower()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    names: DnsServer


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    names: DnsServer


class _Datagram(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        data, line = self.request
        reply = self.server.names.answer(data)
        if reply is None:
            return
        wire = reply.to_wire()
        if len(wire) > MAX_UDP_BYTES:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        line.sendto(wire, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    server: _Tcp

    def handle(self) -> None:
        head: Any = self.rfile.read(2)
        if len(head) < 2:
            return
        reply = self.server.names.answer(self.rfile.read(struct.unpack("!H", head)[0]))
        if reply is not None:
            wire = reply.to_wire()
            self.wfile.write(struct.pack("!H", len(wire)) + wire)
