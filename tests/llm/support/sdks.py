"""The official SDKs, pointed at a scripted provider."""

from __future__ import annotations

from typing import Any, TypeVar

__all__ = (
    "async_anthropic",
    "async_google",
    "async_ollama",
    "async_openai",
    "boto",
    "close_all",
    "sync_anthropic",
    "sync_google",
    "sync_openai",
)

T = TypeVar("T")

ASKED: Any = [{"role": "user", "content": "hi"}]
_OPEN: list[Any] = []


def _kept(client: T) -> T:
    """Return ``client``, to be closed after the test: what nobody closes warns in another's."""
    _OPEN.append(client)
    return client


def close_all() -> None:
    """Close the clients of a test. Those of asyncio hold nothing once their loop has ended."""
    clients, _OPEN[:] = list(_OPEN), []
    for client in clients:
        client.close()


def async_openai(url: str) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)


def sync_openai(url: str) -> Any:
    from openai import OpenAI

    return _kept(OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0))


def async_anthropic(url: str) -> Any:
    from anthropic import AsyncAnthropic

    return AsyncAnthropic(api_key="k", base_url=url, max_retries=0)


def sync_anthropic(url: str) -> Any:
    from anthropic import Anthropic

    return _kept(Anthropic(api_key="k", base_url=url, max_retries=0))


def google(url: str) -> Any:
    from google import genai

    return genai.Client(api_key="k", http_options={"base_url": url})


def async_google(url: str) -> Any:
    return google(url).aio


def sync_google(url: str) -> Any:
    return _kept(google(url))


def boto(url: str) -> Any:
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )
    return _kept(client)


def async_ollama(url: str) -> Any:
    from ollama import AsyncClient

    return AsyncClient(host=url)


def open_chat(client: Any, model: str = "m") -> Any:
    return client.chat.completions.create(
        model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )


def open_responses(client: Any, model: str = "m") -> Any:
    return client.responses.create(model=model, input="hi", stream=True)


def open_messages(client: Any, model: str = "m") -> Any:
    return client.messages.create(model=model, messages=ASKED, max_tokens=10, stream=True)


def open_helper(client: Any, model: str = "m") -> Any:
    return client.messages.stream(model=model, messages=ASKED, max_tokens=10)


def open_google(client: Any, model: str = "m") -> Any:
    return client.models.generate_content_stream(model=model, contents="hi")


def open_converse(client: Any, model: str = "m") -> Any:
    return client.converse_stream(
        modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}]
    )


def open_invoke(client: Any, model: str = "m") -> Any:
    return client.invoke_model_with_response_stream(modelId=model, body=b"{}")


def open_ollama(client: Any, model: str = "m") -> Any:
    return client.chat(model=model, messages=ASKED, stream=True)
