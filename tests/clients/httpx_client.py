import os
import sys

import httpx

base_url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
body = {"model": "m", "messages": [{"role": "user", "content": sys.argv[1]}]}
answer = httpx.post(f"{base_url}/chat/completions", json=body, headers={"authorization": "Bearer sk-test"})
print(answer.json()["choices"][0]["message"]["content"])
