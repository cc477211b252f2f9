import json
import os
import sys
import urllib.request

base_url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": sys.argv[1]}]}).encode()
headers = {"authorization": "Bearer sk-test", "content-type": "application/json"}
request = urllib.request.Request(f"{base_url}/chat/completions", body, headers)
with urllib.request.urlopen(request, timeout=30) as answer:
    print(json.load(answer)["choices"][0]["message"]["content"])
