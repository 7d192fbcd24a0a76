"""The conversation with a server that sends a stream: what to do next, without doing it.

Lives here: the one sequence of requests, reads, waits and resumes that both faces follow, as a
generator of steps. Source: WHATWG HTML, section 9.2, "Server-sent events"; where it knows no
answer (POST, NDJSON, a bound of retries), ``docs/client.md`` says what was chosen.
Stays out: sockets, threads, tasks, clocks that tick.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from penstock.client.answers import (
    ERROR_BODY,
    choose_format,
    is_redirect,
    response_error,
    retry_after,
)
from penstock.client.backoff import Backoff
from penstock.client.options import Headers, Options
from penstock.client.steps import (
    RESTARTED,
    Answer,
    Call,
    Deliver,
    Follow,
    Head,
    Lost,
    Open,
    Read,
    ReadAll,
    Reconnect,
    RequestSpec,
    Step,
    Wait,
)
from penstock.client.until import make_until
from penstock.errors import ConnectionLost, PeerError, StreamCut
from penstock.event import ServerSentEvent
from penstock.formats import END_ID, NdjsonDecoder, SseDecoder
from penstock.formats._json import dumps

__all__ = ("Conversation",)

Steps = Generator[Step, Any, None]

_log = logging.getLogger("penstock.client")

_MAX_REDIRECTS = 20
_LONGEST_RETRY = 3_600_000  # milliseconds: a server may write any number of digits
_READ = Read()
# The last event of OpenAI's wire and the AI SDK's. They have no ids: to ask again is to begin anew.
_DONE = "[DONE]"
# Each line with its end, or what is left: a CR at the very end counts, the decoder drops its LF.
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
# Asking for these again changes nothing on the server. REPORT: a GET with a body.
_SAFE = frozenset(("GET", "HEAD", "REPORT", "QUERY"))


class Conversation:
    """Reads one stream, over as many connections as it takes.

    Args:
        url: Where the stream is, for messages.
        options: What the caller asked for.
        now: A time that never goes back, in seconds.
    """

    def __init__(self, url: str, options: Options, *, now: Callable[[], float]) -> None:
        self._url, self._options, self._now = url, options, now
        body = dumps(options.json) if options.has_json else options.content
        self._body = body.encode() if isinstance(body, str) else body
        default = "GET" if body is None else "POST"
        self.method = (options.method or default).strip().upper()
        self.cursor = options.cursor
        self.end: ServerSentEvent | None = None
        self._until = make_until(options.until)
        self._moved_to: str | None = None
        self._backoff = Backoff(options.retry_delay, options.max_delay, uniform=options.uniform)
        self._attempts = 0  # since something came
        self._retries = 0  # since a connection was healthy
        self._was_open = False
        self._comments: list[str] = []

    def steps(self) -> Steps:
        """Yield what is to be done, and be sent how it went. Returns at the stream's end.

        Raises:
            ResponseError: The answer is no stream.
            ConnectionLost: No connection, and no further attempt.
            PeerError: What came is not what the format allows, or was cut.
        """
        while True:
            answer = yield from self._open()
            if isinstance(answer, Head):
                if answer.status == 204:
                    return
                format = choose_format(answer, self._options.format, self.method)
                if format is None:
                    yield from self._refused(answer)
                    continue
                if self._options.on_open is not None:
                    yield Call(self._options.on_open, answer.headers)
                read = self._read_ndjson if format == "ndjson" else self._read_sse
                began = self._now()
                self._was_open = True
                lost = yield from read()
                if lost is None:
                    return
                if self._now() - began >= self._options.healthy_after:
                    self._made_progress()
                    self._retries = 0
            else:
                lost = answer
                if not self._may_retry_opening() and lost.error is not None:
                    raise self._lost(lost)
            yield from self._again(lost)

    # -- opening

    def _open(self) -> Generator[Step, Answer, Head | Lost]:
        """Send the request and follow where it leads."""
        answer = yield Open(self._request())
        is_permanent = True
        for _ in range(_MAX_REDIRECTS):
            if not isinstance(answer, Head) or not is_redirect(answer) or not answer.redirect:
                break
            is_permanent = is_permanent and (
                answer.status == 308 or (answer.status == 301 and self._body is None)
            )
            # RFC 9110, 15.4.2: later requests ought to go there. Elsewhere only by being sent there
            # again, so that no credentials go to an origin that they were not given for.
            if is_permanent and _is_same_origin(answer.url, answer.redirect):
                self._moved_to = answer.redirect
            answer = yield Follow()
        else:
            if isinstance(answer, Head) and is_redirect(answer):
                answer = replace(answer, redirect=None)
        assert isinstance(answer, (Head, Lost))
        return answer

    def _request(self) -> RequestSpec:
        # The caller's own win; the method is theirs too after a permanent redirect.
        headers = {b"accept": _ACCEPT[self._options.format], b"cache-control": b"no-cache"}
        if self._options.has_json:
            headers[b"content-type"] = b"application/json"
        for name, value in _pairs(self._options.headers or ()):
            headers[name.lower().encode()] = str(value).encode()
        # Of HTTP's white space around a value nothing arrives, and h11 refuses to send it.
        if cursor := self.cursor.strip(" \t"):
            headers[b"last-event-id"] = cursor.encode()
        return RequestSpec(self.method, self._moved_to, list(headers.items()), self._body)

    def _refused(self, head: Head) -> Steps:
        """Wait for another attempt after an answer that is no stream, or raise what it said."""
        # Not of a 200 under another type: that may be a stream, and never end.
        body = (yield ReadAll(ERROR_BODY)) if head.status >= 300 else b""
        error = response_error(head, self.method, body, self._options.format)
        pause = retry_after(head)
        if pause is None or not self._may_retry_opening():
            raise error
        yield from self._again(Lost(error, f"status {head.status}"), pause)

    def _may_retry_opening(self) -> bool:
        # Of a stream that never was open, an error is told at once: it may be a wrong address.
        may_reconnect = self._was_open and self._options.reconnect is not False
        return may_reconnect or bool(self._options.max_retries)

    # -- reading

    def _read_sse(self) -> Generator[Step, Answer, Lost | None]:
        """Deliver events; return why to ask again, or None at the stream's end."""
        wants_comments = self._options.on_comment is not None
        done: ServerSentEvent | None = None
        decoder = SseDecoder(
            last_event_id=self.cursor,
            max_size=self._options.max_size,
            on_comment=self._comments.append if wants_comments else None,
        )
        while isinstance(got := (yield _READ), bytes):
            # Line by line where comments must come in their place between the events.
            for piece in _LINES.findall(got) if wants_comments else (got,):
                before = self.cursor
                events = decoder.feed(piece)
                self.cursor = decoder.last_event_id
                yield from self._tell_comments()
                if decoder.retry is not None:
                    self._backoff.base = min(decoder.retry, _LONGEST_RETRY) / 1000
                if self.cursor == END_ID != before or (self._until is not None and events):
                    events, is_end = self._up_to_end(events, before)
                    yield Deliver(events, self.cursor)
                    if is_end:
                        return None
                elif events:
                    yield Deliver(events, self.cursor)
                if events:
                    self._made_progress()
                    done = events[-1] if events[-1].data == _DONE else None
        decoder.close()
        lost = got if isinstance(got, Lost) else Lost(None, "the stream ended")
        if done is not None and self._is_end_of_all(lost):
            self.end = done
            return None
        if self._shall_resume(lost):
            return lost
        self._check_end(lost)
        return None

    def _tell_comments(self) -> Steps:
        on_comment = self._options.on_comment
        while self._comments and on_comment is not None:
            yield Call(on_comment, self._comments.pop(0))

    def _up_to_end(
        self, events: list[ServerSentEvent], before: str
    ) -> tuple[list[ServerSentEvent], bool]:
        """Return the events up to the stream's end, and whether it is among them."""
        for index, event in enumerate(events):
            if event.id == END_ID != before:
                self.end = event
                # A bare mark says that nothing more comes; it is nobody's event.
                return events[: index + bool(event.data)], True
            if self._until is not None and self._until(event):
                self.end = event
                return events[: index + 1], True
        # The mark's id came in a block without data: its end all the same.
        return events, self.cursor == END_ID != before

    def _shall_resume(self, lost: Lost) -> bool:
        wanted = self._options.reconnect
        if lost is RESTARTED:
            return True
        if lost.is_final or self._options.max_retries == 0:
            return False
        if wanted is None:
            return self.method in _SAFE or (lost.error is not None and bool(self.cursor))
        return wanted

    def _is_end_of_all(self, lost: Lost) -> bool:
        """Return whether a body that ended behind ``[DONE]`` was the whole stream."""
        asked_for_more = self._options.reconnect is not None or self._until is not None
        return lost is not RESTARTED and not asked_for_more

    def _read_ndjson(self) -> Generator[Step, Answer, Lost | None]:
        """Deliver values. There is no cursor to resume from: a cut is an error."""
        decoder = NdjsonDecoder(max_size=self._options.max_size)
        last: Any = None
        is_open = True
        while is_open:
            got = yield _READ
            if got is RESTARTED:
                return RESTARTED
            if isinstance(got, Lost):
                raise self._lost(got)
            assert got is None or isinstance(got, bytes)
            is_open = got is not None
            values = decoder.feed(got) if got is not None else decoder.close()
            if values:
                self._made_progress()
                last = values[-1]
            if self._until is not None:
                ends = next((i for i, each in enumerate(values, 1) if self._until(each)), None)
                yield Deliver(values[:ends], "")
                if ends is not None:
                    return None
            elif values:
                yield Deliver(values, "")
        self._check_end(Lost(None, "the stream ended"), last)
        return None

    # -- ending and going on

    def _check_end(self, lost: Lost, last: Any = None) -> None:
        """Refuse an end that is none: the stream is not asked for again."""
        if lost.error is not None:
            raise self._lost(lost)
        if self._until is not None:
            told = f"; its last record was {last!r:.200}" if last is not None else ""
            raise StreamCut(f"{self._url} ended before the record that until= asks for{told}")

    def _again(self, lost: Lost, pause: float = 0.0) -> Steps:
        """Count, tell, wait; or give up."""
        if lost.is_final:
            raise self._lost(lost)
        most = self._options.max_retries
        if most is not None and self._retries >= most and lost is not RESTARTED:
            if isinstance(lost.error, PeerError):
                raise lost.error
            raise self._lost(lost)
        if lost is not RESTARTED:
            self._retries += 1
        self._attempts += 1
        delay = self._backoff.next(pause)
        again = Reconnect(self._attempts, delay, self.cursor, self._told(lost))
        _log.info(
            "%s: %s; asking again in %.2f s %s",
            self._url,
            lost.why,
            delay,
            f"from id {self.cursor!r}" if self.cursor else "without an id to resume from",
        )
        if self._options.on_reconnect is not None:
            yield Call(self._options.on_reconnect, again)
        yield Wait(delay)

    def _made_progress(self) -> None:
        self._attempts = 0
        self._backoff.reset()

    def _told(self, lost: Lost) -> Exception | None:
        if lost.error is None or isinstance(lost.error, PeerError):
            return lost.error
        return self._lost(lost)

    def _lost(self, lost: Lost) -> ConnectionLost:
        tried = f", after {self._retries} retries" if self._retries else ""
        error = ConnectionLost(
            f"{self.method} {self._url}: {lost.why}{tried}",
            retries=self._retries,
            last_event_id=self.cursor,
        )
        error.__cause__ = lost.error
        return error


_ACCEPT: dict[str | None, bytes] = {
    None: b"text/event-stream",
    "sse": b"text/event-stream",
    **dict.fromkeys(("ndjson", "jsonl", "nljson"), b"application/x-ndjson"),
}


def _pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    # httpx.Headers is a mapping too.
    given: Any = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, value) for name, value in given]


def _is_same_origin(one: str, other: str) -> bool:
    return one.split("/", 3)[:3] == other.split("/", 3)[:3]
