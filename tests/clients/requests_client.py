import os
import sys
from typing import Any

import requests

base_url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
body: Any = {"model": "m", "messages": [{"role": "user", "content": sys.argv[1]}]}
answer = requests.post(
    f"{base_url}/chat/completions", json=body, headers={"authorization": "Bearer sk-test"}, timeout=30
)
print(answer.json()["choices"][0]["message"]["content"])
