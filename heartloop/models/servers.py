"""The servers behind one model: least in flight first, sick ones out until they answer again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

FAILURES_OUT = 3  # consecutive connection failures that take a server out
FIRST_PAUSE = 1.0  # seconds out before it is tried again
LONGEST_PAUSE = 15.0


@dataclass(slots=True)
class Server:
    """One base URL and how it has been doing.

    Attributes:
        url: root, ``http://host:8000/v1``, without a slash at its end.
        in_flight: requests sent and not answered.
        failures: failures in a row that say the server is unwell.
        out_until: monotonic time before which it gets nothing while others are well.
        answered, failed: counts for the screen.
    """

    url: str
    in_flight: int = 0
    failures: int = 0
    pause: float = FIRST_PAUSE
    out_until: float = 0.0
    probing: bool = False
    answered: int = 0
    failed: int = 0


@dataclass(slots=True)
class ServerPool:
    """Balances requests over servers; a single server is never taken out."""

    servers: list[Server]
    per_server: int | None = None
    _turn: int = field(default=0)

    def pick(self) -> Server | None:
        """The server for the next request, its place in flight taken; None where all are full.

        Servers that are out get one request at a time once their pause is over: its outcome
        decides whether they return.
        """
        servers = self.servers
        if len(servers) == 1:
            server = servers[0]
            if self.per_server is not None and server.in_flight >= self.per_server:
                return None
            server.in_flight += 1
            return server
        now = time.monotonic()
        self._turn += 1
        best: Server | None = None
        for step in range(len(servers)):
            server = servers[(self._turn + step) % len(servers)]
            if self.per_server is not None and server.in_flight >= self.per_server:
                continue
            if server.out_until:
                if now < server.out_until or server.probing:
                    continue
                server.probing = True
                best = server
                break
            if best is None or server.in_flight < best.in_flight:
                best = server
        if best is None and all(server.out_until for server in servers):
            # Nobody is well: ask the one that has been out longest rather than nobody.
            best = min(servers, key=lambda server: server.out_until)
            best.probing = True
        if best is not None:
            best.in_flight += 1
        return best

    def done(self, server: Server, *, well: bool | None) -> None:
        """Give a place back.

        Args:
            server: as picked.
            well: True: it answered (a refusal of this one request is an answer, too);
                False: it could not be reached, broke off or failed inside;
                None: nothing was learnt (the request was cancelled).
        """
        server.in_flight -= 1
        server.probing = False
        if well:
            server.answered += 1
            server.failures = 0
            server.pause = FIRST_PAUSE
            server.out_until = 0.0
        elif well is False:
            server.failed += 1
            server.failures += 1
            if len(self.servers) > 1 and (server.out_until or server.failures >= FAILURES_OUT):
                server.out_until = time.monotonic() + server.pause
                server.pause = min(2 * server.pause, LONGEST_PAUSE)

    def healthy(self) -> int:
        """How many servers are in."""
        return sum(not server.out_until for server in self.servers)
