"""Notifications in Django, in one file: each user's browser gets theirs, wherever it is open.

    pip install django "penstock[cli]"
    uvicorn main:app

Open http://127.0.0.1:8000/?user=ada and, elsewhere:

    curl -d user=ada -d text=hello http://127.0.0.1:8000/notify
"""

from __future__ import annotations

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from penstock import Channel
from penstock.django import StreamResponse

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="an example has none",  # noqa: S106  # nothing here is signed
)
django.setup()

# In memory, for one process; Channel(..., log=RedisLog(url)) is the same over many.
notifications: Channel[dict[str, str]] = Channel("notifications", history=100)

PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Notifications</title>
<ul id="list"></ul>
<script>
  const source = new EventSource("/events" + location.search);
  source.addEventListener("notification", (event) => {
    const line = document.createElement("li");
    line.textContent = JSON.parse(event.data).text;
    document.querySelector("#list").append(line);
  });
</script>"""


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


async def events(request: HttpRequest) -> StreamResponse:
    """The signed-in user's notifications; who that is, a real site asks its session."""
    user = {"user": request.GET.get("user", "nobody")}
    cursor = request.headers.get("Last-Event-ID")
    return StreamResponse(notifications.subscribe(after=cursor, state=user), request=request)


def notify(request: HttpRequest) -> JsonResponse:
    """A view like any other, in a thread of its own."""
    who, text = request.POST.get("user", ""), request.POST.get("text", "")
    sent = notifications.broadcast_threadsafe({"text": text}, "notification", match={"user": who})
    return JsonResponse({"id": sent.result(timeout=5)})


urlpatterns = [path("", page), path("events", events), path("notify", notify)]
app = get_asgi_application()
