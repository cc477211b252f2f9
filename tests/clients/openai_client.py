"""The official client, unchanged: it reads OPENAI_BASE_URL by itself."""

import sys

from openai import OpenAI

client = OpenAI(api_key="sk-test", max_retries=0)
answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": sys.argv[1]}])
print(answer.choices[0].message.content)
