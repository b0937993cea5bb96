"""The servers behind one model: least in flight first, sick ones out until they are well again."""

from __future__ import annotations

from dataclasses import dataclass, field

FAILURES_OUT = 3  # in a row that take a server out
FIRST_PAUSE = 0.5  # seconds until it is looked at
LONGEST_PAUSE = 15.0


@dataclass(slots=True)
class Server:
    """One base URL and how it has been doing.

    Attributes:
        url: root, ``http://host:8000/v1``, without a slash at its end.
        in_flight: requests sent and not answered.
        failures: in a row, that say the server is unwell.
        pause: seconds until the next look at it while it is out.
        out: it gets nothing while others are in.
        answered, failed: counts for the screen and the manifest.
    """

    url: str
    in_flight: int = 0
    failures: int = 0
    pause: float = FIRST_PAUSE
    out: bool = False
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

        With every server out the least busy is asked all the same: somebody has to find out.
        """
        servers = self.servers
        best: Server | None = None
        best_out: Server | None = None
        self._turn += 1
        for step in range(len(servers)):
            server = servers[(self._turn + step) % len(servers)]
            if self.per_server is not None and server.in_flight >= self.per_server:
                continue
            if server.out:
                if best_out is None or server.in_flight < best_out.in_flight:
                    best_out = server
            elif best is None or server.in_flight < best.in_flight:
                best = server
        if best is None and all(server.out for server in servers):
            best = best_out
        if best is not None:
            best.in_flight += 1
        return best

    def done(self, server: Server, *, well: bool | None) -> bool:
        """Give a place back.

        Args:
            server: as picked.
            well: True: it answered (a refusal of this one request is an answer, too);
                False: it could not be reached, broke off or failed inside;
                None: nothing was learnt (the request was cancelled, the server is busy).

        Returns:
            Whether this took the server out: it has to be looked at until ``restore``.
        """
        server.in_flight -= 1
        if well:
            server.answered += 1
            server.failures = 0
            server.pause = FIRST_PAUSE
            server.out = False
        elif well is False:
            server.failed += 1
            server.failures += 1
            if len(self.servers) > 1 and not server.out and server.failures >= FAILURES_OUT:
                server.out = True
                return True
        return False

    def restore(self, server: Server) -> None:
        """Let a server that was out back in, on probation: it is out again at one failure."""
        server.out = False
        server.failures = FAILURES_OUT - 1

    def healthy(self) -> int:
        """How many servers are in."""
        return sum(not server.out for server in self.servers)
