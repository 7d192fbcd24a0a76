"""Django: an async view and a sync one, on both of its interfaces; for a process of its own."""

from __future__ import annotations

import json

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from penstock.django import StreamResponse
from tests.seeds.apps.greetings import answer, greet

__all__ = ("app", "wsgi")

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="only of a test")


async def sse(request: HttpRequest) -> StreamResponse:
    return StreamResponse(greet)


@csrf_exempt
def chat(request: HttpRequest) -> StreamResponse:
    return StreamResponse(answer(json.loads(request.body)["prompt"]))


urlpatterns = [path("sse", sse), path("chat", chat)]

app = get_asgi_application()
wsgi = get_wsgi_application()
