"""Whole apps, the same on a server and on Lambda."""

import asyncio

from fastapi import FastAPI, Request, Response, UploadFile
from flask import Flask
from flask import Response as FlaskResponse
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from penstock.aws import asgi_handler, wsgi_handler
from penstock.starlette import StreamResponse

STARTED: list = []
DONE: list = []


async def lifespan(app):
    STARTED.append(asyncio.get_running_loop())
    yield {"started": len(STARTED)}
    raise AssertionError("Lambda does not shut down")


fastapi_app = FastAPI(lifespan=lifespan)
fastapi_app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"], allow_methods=["*"])


@fastapi_app.get("/sse")
async def sse(n: int = 2):
    async def items():
        for i in range(n):
            yield {"i": i}

    return StreamResponse(items, format="sse")


@fastapi_app.get("/plain")
async def plain(request: Request):
    async def pieces():
        yield "a"
        await asyncio.sleep(0)
        yield "b"

    return StreamingResponse(pieces(), media_type="text/plain")


@fastapi_app.get("/file")
async def file():
    return FileResponse(__file__, media_type="text/x-python")


@fastapi_app.get("/cookies")
async def cookies(request: Request, response: Response):
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return {"got": request.cookies, "state": request.state.started}


@fastapi_app.get("/empty", status_code=204)
async def empty():
    return Response(status_code=204)


@fastapi_app.post("/upload")
async def upload(file: UploadFile):
    data = await file.read()
    return {"name": file.filename, "size": len(data), "sum": sum(data) % 1000}


@fastapi_app.get("/background")
async def background():
    async def work():
        await asyncio.sleep(0.02)
        DONE.append("background")

    return JSONResponse({"ok": True}, background=BackgroundTask(work))


@fastapi_app.get("/done")
async def done():
    return {"done": DONE}


@fastapi_app.get("/boom")
async def boom():
    raise ValueError("not for the reader")


@fastapi_app.get("/cut")
async def cut():
    async def pieces():
        yield "first"
        raise ValueError("in the middle")

    return StreamingResponse(pieces(), media_type="text/plain")


@fastapi_app.get("/slow")
async def slow():
    async def pieces():
        yield "first"
        await asyncio.sleep(3600)

    return StreamingResponse(pieces(), media_type="text/plain")


@fastapi_app.get("/echo/{name}")
async def echo(name: str, request: Request):
    return {
        "name": name,
        "path": request.url.path,
        "raw": request.scope["raw_path"].decode(),
        "query": request.query_params.multi_items(),
        "method": request.method,
    }


@fastapi_app.get("/disconnect")
async def disconnect(request: Request):
    async def pieces():
        yield str(await request.is_disconnected())

    return StreamingResponse(pieces())


class Stamp(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-stamp"] = "1"
        return response


async def stamped(request):
    async def items():
        yield {"i": 0}
        yield {"i": 1}

    return StreamResponse(items, format="ndjson")


async def home(request):
    return PlainTextResponse("home")


starlette_app = Starlette(
    routes=[Route("/ndjson", stamped), Route("/", home)], middleware=[Middleware(Stamp)]
)

flask_app = Flask(__name__)


@flask_app.get("/rows")
def rows():
    return FlaskResponse((f"row {i}\n" for i in range(3)), mimetype="text/csv")


@flask_app.post("/echo")
def flask_echo():
    response = FlaskResponse(flask_request.get_data(), status=201)
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


handler = asgi_handler(fastapi_app)
starlette_handler = asgi_handler(starlette_app)
flask_handler = wsgi_handler(flask_app)
