"""`trust_env` is what makes aiohttp read HTTPS_PROXY."""

import asyncio
import os
import sys

import aiohttp

base_url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")


async def ask(text: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        session.post(f"{base_url}/chat/completions", json=body, headers={"authorization": "Bearer sk-test"}) as answer,
    ):
        print((await answer.json())["choices"][0]["message"]["content"])


asyncio.run(ask(sys.argv[1]))
