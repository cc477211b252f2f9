"""A secret of each kind that is known, made up: none of them opens anything."""

import random
import string

from chatreel.secret_patterns import find

RANDOM = random.Random(7)


def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """As good as random, and with a digit in it."""
    return "".join(RANDOM.choices(alphabet, k=length - 1)) + "7"


HEX = "0123456789abcdef"
KEYS = {
    "Anthropic key": f"sk-ant-api03-{some(93)}",
    "OpenRouter key": f"sk-or-v1-{some(64, HEX)}",
    "Langfuse key": "sk-lf-1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9",
    "OpenAI key": f"sk-proj-{some(120)}",
    "OpenAI-style key": f"sk-{some(48)}",
    "Google API key": f"AIza{some(35)}",
    "Google access token": f"ya29.{some(120)}",
    "Groq key": f"gsk_{some(52)}",
    "xAI key": f"xai-{some(80)}",
    "Perplexity key": f"pplx-{some(48)}",
    "Cerebras key": f"csk-{some(48, string.ascii_lowercase + string.digits)}",
    "Fireworks key": f"fw_{some(24)}",
    "NVIDIA key": f"nvapi-{some(64)}",
    "Replicate token": f"r8_{some(37)}",
    "Hugging Face token": f"hf_{''.join(RANDOM.choices(string.ascii_letters, k=34))}",
    "LangSmith key": f"lsv2_pt_{some(32, HEX)}_{some(10, HEX)}",
    "Databricks token": f"dapi{some(32, HEX)}",
    "Azure AI key": f"{some(52)}JQQJ99{some(10)}ACOG{some(4)}",
    "Azure storage key": f"AccountKey={some(86)}==",
    "Azure client secret": f"abc8Q~{some(34)}",
    "AWS access key id": "AKIA2E3Q4RSTUVWX5YZ6",
    "AWS secret key": f"aws_secret_access_key = {some(40)}",
    "GitHub token": f"ghp_{some(36)}",
    "GitHub fine-grained token": f"github_pat_{some(82)}",
    "GitLab token": f"glpat-{some(20)}",
    "Slack token": f"xoxb-2345678901-{some(24)}",
    "Slack webhook": f"https://hooks.slack.com/services/T0{some(9)}/B0{some(9)}/{some(24)}",
    "Stripe key": f"sk_live_{some(24)}",
    "SendGrid key": f"SG.{some(22)}.{some(43)}",
    "Twilio key": f"SK{some(32, HEX)}",
    "npm token": f"npm_{some(36)}",
    "PyPI token": f"pypi-AgEIcHlwaS5vcmc{some(80)}",
    "DigitalOcean token": f"dop_v1_{some(64, HEX)}",
    "Telegram bot token": f"987654321:AA{some(33)}",
    "JSON web token": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9{some(8)}.{some(43)}",
    "private key": f"-----BEGIN RSA PRIVATE KEY-----\n{some(64)}\n{some(64)}\n-----END RSA PRIVATE KEY-----",
    "bearer token": f"Authorization: Bearer {some(40)}",
    "basic credentials": "Authorization: Basic dXNlcjpodW50ZXIyMzQ1Ng==",
    "labelled key": f"'api-key': '{some(32, HEX)}'",
    "password in a URL": f"postgresql://app:{some(14)}@db.internal/app",
}


def secret_of(kind: str) -> str:
    """What is secret in the text of a kind: all of it, or what follows its label."""
    [found] = find(KEYS[kind])
    return KEYS[kind][found.start : found.end]
