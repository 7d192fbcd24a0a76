"""The scenes in Django: async views, and sync views under ``/sync``; ``app`` and ``wsgi``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from penstock.django import StreamResponse, endpoint_view
from tests.support.apps.scenes import LOG, Scene, scenes, ticks

MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
)

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=list(MIDDLEWARE), SECRET_KEY="x"
    )
    django.setup()


def _view(scene: Scene) -> Callable[[HttpRequest], Awaitable[StreamResponse]]:
    async def view(request: HttpRequest) -> StreamResponse:
        return StreamResponse(scene(request.GET), request.GET.get("format", "sse"), request=request)

    return view


def _sync_view(scene: Scene) -> Callable[[HttpRequest], StreamResponse]:
    def view(request: HttpRequest) -> StreamResponse:
        return StreamResponse(scene(request.GET), request.GET.get("format", "sse"), request=request)

    return view


def log(request: HttpRequest) -> Any:
    return JsonResponse(list(LOG), safe=False)


urlpatterns = [path("log", log), path("mounted/ticks", endpoint_view(ticks))]
for name, scene in scenes(lambda: PermissionDenied("no entry")).items():
    urlpatterns.append(path(name[1:], _view(scene)))
    urlpatterns.append(path(f"sync{name}", _sync_view(scene)))

app = get_asgi_application()
wsgi = get_wsgi_application()
