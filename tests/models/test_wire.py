"""The transport against servers that keep, break and bend HTTP/1.1, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess

import pytest

from heartloop.errors import CallError, UsageError
from heartloop.models import body, connection
from heartloop.models.connection import LARGEST_HEAD, Reply, WireError
from heartloop.models.wire import Wire, target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def over(speak, work, host="127.0.0.1", **server_options):
    """``work(wire, target, connections)`` beside a server that answers a request's bytes.

    ``speak(request, writer)`` gets every whole request; ``connections`` are the requests that came
    over each connection.
    """

    async def main():
        connections = []

        async def handle(reader, writer):
            came = []
            connections.append(came)
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(
                        (head.lower().split(b"content-length: ") + [b"0\r"])[1].split(b"\r")[0]
                    )
                    came.append(head + await reader.readexactly(length))
                    await speak(came[-1], writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, host, 0, **server_options)
        port = server.sockets[0].getsockname()[1]
        scheme = "https" if server_options.get("ssl") else "http"
        named = f"[{host}]" if ":" in host else host
        wire = Wire(5.0)
        try:
            to = target("POST", f"{scheme}://{named}:{port}/v1/x", {"A": "b"})
            return await asyncio.wait_for(work(wire, to, connections), 30)
        finally:
            await wire.close()
            server.close()
            assert body._held == [0]

    return asyncio.run(main())


def said(reply, then=None):
    """A server that says these bytes to every request, and after them ``then``: close or reset."""

    async def speak(request, writer):
        for piece in reply if isinstance(reply, (list, tuple)) else (reply,):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if then == "close":
            writer.close()
        if then == "reset":
            writer.transport.abort()

    return speak


def asked(speak, times=1, **options):
    """What became of some requests, one after another, and the connections that it took."""

    async def work(wire, to, connections):
        outcomes = []
        for _ in range(times):
            try:
                outcomes.append(await wire.ask(to, b"{}", **{"limit": 1000, **options}))
            except CallError as error:
                outcomes.append(error)
            await asyncio.sleep(0.02)
        return outcomes, connections

    return over(speak, work)


# --- Requests ------------------------------------------------------------------------------------


def test_a_request_is_what_it_should_be_to_the_byte():
    _, ((request,),) = asked(said(OK))
    port = request.split(b"127.0.0.1:")[1].split(b"\r")[0]
    assert request == (
        b"POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:" + port + b"\r\nAccept: */*\r\nA: b\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("url", "line", "host"),
    [
        ("http://h/v1/a b", "/v1/a%20b", "h"),
        ("https://H:443/v1?api-version=2024-6&x=a b", "/v1?api-version=2024-6&x=a%20b", "h"),
        ("http://h:8000/50%/%7Eä", "/50%25/%7E%C3%A4", "h:8000"),
        ("https://h:80", "/", "h:80"),
        ("http://[::1]:9/v1", "/v1", "[::1]:9"),
        ("http://bücher.example/v1", "/v1", "xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_addresses_are_written_as_http_has_them(url, line, host):
    lines = target("GET", url, {}).head.decode("ascii").split("\r\n")
    assert lines[:2] == [f"GET {line} HTTP/1.1", f"Host: {host}"]


def test_no_header_takes_a_line_end_and_no_port_is_out_of_range():
    with pytest.raises(UsageError, match="line end"):
        target("GET", "http://h/", {"Authorization": "Bearer a\r\nX: y"})
    with pytest.raises(UsageError, match="no address"):
        target("GET", "http://h:99999/", {})


# --- Replies -------------------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (OK, True),
        ([bytes([b]) for b in OK], True),
        (CHUNKED + b"1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", True),
        ([CHUNKED + b"1", b"\r\nh\r\n1\r\ni\r\n0", b"\r\nX-Late: 1\r\n\r\n"], True),
        (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" + OK, True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", False),
        (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: 2\r\n\r\nbad", False),
        (OK + b"rubbish", False),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\nConnection: Keep-Alive\n\nhi", True),
    ],
    ids=["plain", "bytes", "chunked", "trailer", "interim", "close", "1.0", "two", "more", "lf"],
)  # fmt: skip
def test_replies_are_read_and_their_connections_kept_where_that_is_safe(reply, kept):
    outcomes, connections = asked(said(reply), times=3)
    assert [(o.status, o.body, o.headers.get("x")) for o in outcomes] == [(200, b"hi", None)] * 3
    assert [len(c) for c in connections] == ([3] if kept else [1, 1, 1])


def test_a_field_behind_one_body_is_no_field_of_the_next_reply():
    late = CHUNKED + b"1\r\nh\r\n0\r\nA: 9\r\nRetry-After: 9\r\n\r\n"
    replies = iter([late, late, OK])

    async def speak(request, writer):
        writer.write(next(replies))

    outcomes, connections = asked(speak, times=3)
    chunked = {"transfer-encoding": "chunked"}
    assert [o.headers for o in outcomes] == [chunked, chunked, {"content-length": "2"}]
    assert len(connections) == 1


@pytest.mark.parametrize("status", [204, 304])
def test_replies_without_bodies_have_none(status):
    outcomes, connections = asked(said(b"HTTP/1.1 %d X\r\n\r\n" % status), times=2)
    assert [(o.status, o.body) for o in outcomes] == [(status, b"")] * 2 and len(connections) == 1


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX: 1\r\n\r\n"])
def test_a_body_without_a_length_ends_with_the_connection(head):
    outcomes, connections = asked(said([head, b"h", b"i"], "close"), times=2)
    assert [o.body for o in outcomes] == [b"hi"] * 2 and len(connections) == 2


@pytest.mark.parametrize(
    ("reply", "then", "kind", "words", "after"),
    [
        (b"", "close", "connection", "before it answered", 0.0),
        (b"HTTP/1.1 200", "close", "connection", "broke off within", None),
        (OK[:-1], "close", "connection", "broke off within", None),
        (OK[:-1], "reset", "connection", "broke off within", None),
        (CHUNKED + b"1\r\nh\r\n", "close", "connection", "broke off within", None),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "close", "connection", "broke off within", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None, "bad_response", "no HTTP", None),
        (b"\x00\x00\x00\x04\x08\x00", None, "bad_response", "no HTTP", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", None,
         "bad_response", "no HTTP", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", None, "bad_response", "no HTTP", None),
        (CHUNKED + b"zz\r\n", None, "bad_response", "no HTTP", None),
        (b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", None, "bad_response",
         "another protocol", None),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n", None, "bad_response", "'br'", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b" " * 2000, None, "too_large",
         "not read any further", None),
    ],
)  # fmt: skip
def test_what_is_no_whole_reply_is_an_error_in_words_and_its_connection_is_dropped(
    reply, then, kind, words, after
):
    outcomes, connections = asked(said(reply, then), times=2)
    assert len(connections) == 2
    for error in outcomes:
        assert isinstance(error, CallError), error
        assert (error.kind, error.retry_after) == (kind, after) and words in str(error)
        assert error.retryable == (kind != "too_large")


def endless(start, piece):
    async def speak(request, writer):
        writer.write(start)
        for _ in range(4000):
            writer.write(piece)
            await writer.drain()
        raise AssertionError("it was read to its end")

    return speak


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 ", b"x" * 4096), (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 700), (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (CHUNKED + b"0\r\nX: ", b"x" * 4096), (CHUNKED + b"1;", b"x" * 4096),
    ],
    ids=["status", "field", "fields", "interim", "trailer", "extension"],
)  # fmt: skip
def test_what_does_not_end_beside_a_body_is_not_read_for_long(start, piece):
    ((error,), _) = asked(endless(start, piece))
    assert isinstance(error, CallError) and error.kind == "bad_response"
    assert f"more than {LARGEST_HEAD // 1024} KB" in str(error) or "no HTTP" in str(error)


def test_a_refusal_is_cut_and_its_connection_dropped(monkeypatch):
    monkeypatch.setattr(connection, "LARGEST_ERROR", 100)
    reply = b"HTTP/1.1 500 X\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    outcomes, connections = asked(said(reply), times=2)
    assert [o.body for o in outcomes] == [b"x" * 100] * 2 and len(connections) == 2


def test_a_reply_before_the_request_was_sent_costs_the_connection():
    big = b"x" * 2**24

    async def work(wire, to, connections):
        return [await wire.ask(to, big, limit=1000) for _ in range(2)], connections

    async def main():
        connections = []

        async def handle(reader, writer):
            connections.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await asyncio.sleep(0.2)  # the body is never read
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        wire = Wire(5.0)
        to = target("POST", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
        replies, _ = await work(wire, to, connections)
        await wire.close()
        server.close()
        return [r.body for r in replies], len(connections)

    assert asyncio.run(main()) == ([b"hi"] * 2, 2)


# --- Connections ---------------------------------------------------------------------------------


def test_idle_connections_are_dropped_before_the_server_drops_them(monkeypatch):
    assert connection.KEEP_ALIVE < 5
    for module in ("connection", "wire"):
        monkeypatch.setattr(f"heartloop.models.{module}.KEEP_ALIVE", 0.2)

    async def work(wire, to, connections):
        await asyncio.gather(*(wire.ask(to, b"{}", limit=9) for _ in range(3)))
        assert len(wire._opened) == 3
        await asyncio.sleep(0.5)
        assert not wire._opened and wire._timer is None
        await wire.ask(to, b"{}", limit=9)
        return len(connections)

    assert over(said(OK), work) == 4


@pytest.mark.parametrize("then", ["close", "reset", "speak"])
def test_an_idle_connection_that_the_server_closed_or_speaks_over_is_not_used(then):
    writers = []

    async def speak(request, writer):
        writers.append(writer)
        writer.write(OK)

    async def work(wire, to, connections):
        await wire.ask(to, b"{}", limit=9)
        if then == "reset":
            writers[0].transport.abort()
        elif then == "close":
            writers[0].close()
        else:
            writers[0].write(OK.replace(b"hi", b"no"))
        await asyncio.sleep(0.05)
        return (await wire.ask(to, b"{}", limit=9)).body, len(connections)

    assert over(speak, work) == (b"hi", 2)


def test_a_cancelled_request_costs_its_connection_and_nothing_else():
    async def speak(request, writer):
        if b"slow" in request:
            writer.write(OK[:-1])
            await asyncio.sleep(0.2)
            writer.write(OK[-1:])
        else:
            writer.write(OK)

    async def work(wire, to, connections):
        assert (await wire.ask(to, b"fast", limit=9)).body == b"hi"
        task = asyncio.ensure_future(wire.ask(to, b"slow", limit=9))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert body._held == [0] and not wire._idle[to.place]
        replies = [await wire.ask(to, b"fast", limit=9) for _ in range(2)]
        return [r.body for r in replies], [len(c) for c in connections]

    assert over(speak, work) == ([b"hi"] * 2, [2, 2])


def test_cancelling_while_connecting_leaves_no_connection():
    async def work(wire, to, connections):
        for turns in range(8):
            task = asyncio.ensure_future(wire.ask(to, b"{}", limit=9))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.1)
        return wire._opened

    assert over(said(OK), work) == set()


def test_nobody_answers_in_time():
    with socket.socket() as full:  # a queue of one that is full: SYNs are dropped
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(full.getsockname())

            async def main():
                wire = Wire(0.2)
                to = target("GET", f"http://127.0.0.1:{full.getsockname()[1]}/", {})
                with pytest.raises(WireError, match="no connection in time") as caught:
                    await wire.ask(to, limit=9)
                await wire.close()
                return caught.value

            error = asyncio.run(main())
    assert error.kind == "timeout" and error.retryable


def test_a_time_out_of_a_request_drops_it():
    async def speak(request, writer):
        await asyncio.sleep(1)

    ((error,), _) = asked(speak, timeout=0.1)
    assert error.kind == "timeout" and "no answer in time" in str(error)


def test_the_next_address_is_tried_where_the_first_is_silent_or_refuses(monkeypatch):
    async def work(wire, to, connections):
        loop = asyncio.get_running_loop()
        asked = []

        async def look_up(host, port, **_):
            asked.append(host)
            return [(family, 0, 0, "", (address, port)) for family, address in addresses]

        monkeypatch.setattr(loop, "getaddrinfo", look_up)
        place = to.place._replace(host="several.test")
        named = to._replace(place=place)
        replies = []
        for first in ("::1", "192.0.2.1"):
            addresses = [(socket.AF_INET6, first), (socket.AF_INET, "127.0.0.1")]
            wire._lookups.clear()
            wire._idle.clear()
            replies += await asyncio.gather(*(wire.ask(named, b"{}", limit=9) for _ in range(5)))
        assert asked == ["several.test"] * 2  # all that connect at once share a look-up
        return [reply.body for reply in replies]

    assert over(said(OK), work) == [b"hi"] * 10


def test_a_name_that_nobody_knows_is_asked_again_and_said():
    async def main():
        wire = Wire(5.0)
        to = target("GET", "http://nobody.invalid:1/", {})
        outcomes = [
            await asyncio.gather(*(wire.ask(to, limit=9) for _ in range(3)), return_exceptions=True)
            for _ in range(2)
        ]
        await wire.close()
        return [error for some in outcomes for error in some]

    for error in asyncio.run(main()):
        assert isinstance(error, WireError) and not error.reached and error.retryable
        assert "cannot be reached (" in str(error)


def test_addresses_of_both_families_are_reached():
    async def work(wire, to, connections):
        return (await wire.ask(to, b"{}", limit=9)).body

    try:
        assert over(said(OK), work, host="::1") == b"hi"
    except OSError:
        pytest.skip("no IPv6 here")


def test_a_thousand_at_once_come_back_each_with_its_own():
    async def speak(request, writer):
        said = request.split(b"\r\n\r\n")[1]
        await asyncio.sleep(0.001 * (len(said) % 7))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

    async def work(wire, to, connections):
        bodies = [b"%d" % i * (1 + i % 13) for i in range(1000)]
        for some in (bodies, bodies[:100]):
            replies = await asyncio.gather(*(wire.ask(to, b, limit=99) for b in some))
            assert [r.body for r in replies] == some
        return len(connections)

    assert over(speak, work, backlog=1024) == 1000


def test_closing_ends_what_is_under_way():
    async def speak(request, writer):
        await asyncio.sleep(5)

    async def work(wire, to, connections):
        task = asyncio.ensure_future(wire.ask(to, b"{}", limit=9))
        await asyncio.sleep(0.05)
        await wire.close()
        with pytest.raises(WireError):
            await task
        return wire._opened

    assert over(speak, work) == set()


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A server's context with a certificate of its own for 127.0.0.1, and its file."""
    place = tmp_path_factory.mktemp("tls")
    file, key = str(place / "cert.pem"), str(place / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", key, "-out", file, "-days", "2", "-subj", "/CN=here",
               "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, file


def test_a_certificate_that_nobody_vouches_for_is_said_and_not_asked_again(certificate):
    async def work(wire, to, connections):
        with pytest.raises(WireError, match="its certificate cannot be verified") as caught:
            await wire.ask(to, b"{}", limit=9)
        return caught.value, connections

    error, connections = over(said(OK), work, ssl=certificate[0])
    assert error.kind == "connection" and not error.retryable and connections in ([], [[]])


def test_replies_over_tls_are_kept_cut_and_broken_off_as_others(certificate, monkeypatch):
    trust = ssl.create_default_context(cafile=certificate[1])
    monkeypatch.setattr("heartloop.models.wire._trust", lambda: trust)
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300000
    replies = {
        b"{}": OK,
        b"large": large,
        b"close": b"HTTP/1.0 200 OK\r\n\r\nhi",
        b"broken": OK[:-1],
    }

    async def speak(request, writer):
        said = request.split(b"\r\n\r\n")[1]
        writer.write(replies[said])
        if said in (b"close", b"broken"):
            writer.close()

    async def work(wire, to, connections):
        outcomes = []
        for what in (b"{}", b"large", b"{}", b"close", b"broken", b"{}"):
            try:
                outcomes.append(len((await wire.ask(to, what, limit=10**6)).body))
            except WireError as error:
                outcomes.append(str(error))
        return outcomes, [len(c) for c in connections]

    outcomes, connections = over(speak, work, ssl=certificate[0])
    assert outcomes == [2, 300000, 2, 2, "the connection broke off within the answer", 2]
    assert connections == [4, 1, 1]


def test_plain_http_where_tls_is_expected_is_an_error_in_words():
    async def main():
        async def handle(reader, writer):
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        wire = Wire(5.0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(WireError, match="cannot be reached .*SSL") as caught:
            await wire.ask(target("GET", f"https://127.0.0.1:{port}/", {}), limit=9)
        await wire.close()
        server.close()
        return caught.value

    assert asyncio.run(main()).retryable


# --- What is left behind -------------------------------------------------------------------------


def test_a_hundred_requests_leave_no_garbage():
    async def work(wire, to, connections):
        await wire.ask(to, b"{}", limit=9)
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                await wire.ask(to, b"{}", limit=9)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return [o for o in gc.garbage if isinstance(o, (Reply, body.Body, dict))]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert over(said(OK), work) == []
