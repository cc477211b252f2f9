"""The shapes that keys and passwords have, as their makers gave them: a table.

Only shapes that hardly anything else has: a prefix that was made to be found by scanners, or a label beside the value.
Keys without one, as Azure's old 32 hexadecimal digits, are found by the label that stands before them.
"""

import re
from dataclasses import dataclass
from typing import Final

from chatreel.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Pattern:
    """The shape of one kind of secret."""

    name: str
    hints: tuple[str, ...]
    """Texts of which each of them has one, looked for first: far cheaper than the expression. None: it is searched."""
    expression: re.Pattern[str]
    """If it has a group, that is the secret."""
    source: str
    """Who says that they look like this."""
    before: tuple[int, ...] = (0,)
    """Characters that a match may have before the hint."""
    guessable: bool = False
    """Whether people choose them: then a digest of one says which it is to whoever tries the likely ones."""


def own_pattern(name: str, pattern: str) -> Pattern:
    """A shape that a user names. Raises `ConfigError` for a name or a regular expression that cannot be used."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the name {name!r} is not made of letters, digits, spaces, '_', '.' and '-', 40 at most")
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"the pattern of {name!r} is not a regular expression: {error}") from None
    if expression.match("") or expression.groups > 1:
        raise ConfigError(f"the pattern of {name!r} has to match something, and to have one group at most: the secret")
    return Pattern(name, (), expression, "settings", guessable=True)


def _pattern(
    name: str, hints: str, expression: str, source: str, *, before: tuple[int, ...] = (0,), guessable: bool = False
) -> Pattern:
    return Pattern(name, tuple(hints.split("|")), re.compile(expression), source, before, guessable)


_NAME: Final = re.compile(r"[\w .-]{1,40}", re.ASCII)
_WORD: Final = r"(?<![A-Za-z0-9_-])"
"""Nothing before it that could belong to it."""

PATTERNS: Final = (
    _pattern(
        "Anthropic key",
        "sk-ant-",
        _WORD + r"sk-ant-[a-z]+[0-9]{2}-[A-Za-z0-9_-]{20,}",
        "GitHub secret scanning: anthropic",
    ),
    _pattern("OpenRouter key", "sk-or-", _WORD + r"sk-or-v1-[0-9a-f]{32,}", "GitHub secret scanning: openrouter"),
    _pattern("Langfuse key", "sk-lf-", _WORD + r"sk-lf-[0-9a-f-]{36}", "Langfuse: keys are sk-lf- and a UUID"),
    _pattern(
        "OpenAI key",
        "sk-",
        _WORD + r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}",
        "GitHub secret scanning: openai; project, service account and admin keys",
    ),
    _pattern(
        "OpenAI-style key",
        "sk-",
        _WORD + r"sk-[A-Za-z0-9]{32,}(?![A-Za-z0-9])",
        "OpenAI until 2024, DeepSeek, Moonshot, DashScope: sk- and 32 or more",
    ),
    _pattern("Google API key", "AIza", _WORD + r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])", "gitleaks: gcp-api-key"),
    _pattern("Google access token", "ya29.", _WORD + r"ya29\.[A-Za-z0-9_-]{30,}", "Google: OAuth 2.0 access tokens"),
    _pattern("Groq key", "gsk_", _WORD + r"gsk_[A-Za-z0-9]{40,}", "GitHub secret scanning: groq"),
    _pattern("xAI key", "xai-", _WORD + r"xai-[A-Za-z0-9]{60,}", "GitHub secret scanning: xai"),
    _pattern("Perplexity key", "pplx-", _WORD + r"pplx-[A-Za-z0-9]{40,}", "gitleaks: perplexity-api-key"),
    _pattern("Cerebras key", "csk-", _WORD + r"csk-[a-z0-9]{40,}", "Cerebras: csk- and 48"),
    _pattern(
        "Fireworks key", "fw_", _WORD + r"fw_[A-Za-z0-9]{22,24}(?![A-Za-z0-9_])", "GitHub secret scanning: fireworks_ai"
    ),
    _pattern("NVIDIA key", "nvapi-", _WORD + r"nvapi-[A-Za-z0-9_-]{60,}", "GitHub secret scanning: nvidia"),
    _pattern(
        "Replicate token", "r8_", _WORD + r"r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])", "GitHub secret scanning: replicate"
    ),
    _pattern(
        "Hugging Face token", "hf_", _WORD + r"hf_[A-Za-z]{34}(?![A-Za-z0-9])", "gitleaks: huggingface-access-token"
    ),
    _pattern(
        "LangSmith key",
        "lsv2_",
        _WORD + r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
        "GitHub secret scanning: langchain",
    ),
    _pattern("Databricks token", "dapi", _WORD + r"dapi[0-9a-f]{32}", "gitleaks: databricks-api-token"),
    _pattern(
        "Azure AI key",
        "JQQJ99",
        _WORD + r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{10}ACOG[A-Za-z0-9]{4}(?![A-Za-z0-9])",
        "Microsoft: identifiable keys of Azure AI services, 84 characters",
        before=(52,),
    ),
    _pattern("Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}==", "Microsoft: connection strings"),
    _pattern(
        "Azure client secret",
        "Q~",
        r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~-])",
        "gitleaks: azure-ad-client-secret",
        before=(4,),
    ),
    _pattern(
        "AWS access key id",
        "AKIA|ASIA|ABIA|ACCA",
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])",
        "gitleaks: aws-access-token",
    ),
    _pattern(
        "AWS secret key",
        "secret|Secret|SECRET",
        r"(?i:(?:(?<=aws)|(?<=aws_))secret_?access_?key|secretaccesskey)[\"'\\]*\s*[:=]\s*[\"'\\]*([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        "AWS: 40 characters beside their name",
    ),
    _pattern(
        "GitHub token",
        "ghp_|gho_|ghu_|ghs_|ghr_",
        _WORD + r"gh[pousr]_[A-Za-z0-9]{36,}",
        "GitHub: token formats since 2021",
    ),
    _pattern(
        "GitHub fine-grained token", "github_pat_", r"github_pat_[A-Za-z0-9_]{60,}", "GitHub: fine-grained tokens"
    ),
    _pattern("GitLab token", "glpat-", _WORD + r"glpat-[A-Za-z0-9_-]{20,}", "gitleaks: gitlab-pat"),
    _pattern("Slack token", "xox", _WORD + r"xox[abeoprs]-[A-Za-z0-9-]{10,}", "Slack: token types"),
    _pattern(
        "Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,}",
        "gitleaks: slack-webhook-url",
    ),
    _pattern(
        "Stripe key",
        "sk_|rk_",
        _WORD + r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,}",
        "Stripe: API keys",
    ),
    _pattern(
        "SendGrid key", "SG.", _WORD + r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}", "gitleaks: sendgrid-api-token"
    ),
    _pattern("Twilio key", "SK", r"(?<![A-Za-z0-9])SK[0-9a-f]{32}(?![A-Za-z0-9])", "gitleaks: twilio-api-key"),
    _pattern("npm token", "npm_", _WORD + r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])", "npm: tokens since 2021"),
    _pattern("PyPI token", "pypi-", _WORD + r"pypi-AgE[A-Za-z0-9_-]{50,}", "PyPI: a macaroon, which begins AgE"),
    _pattern(
        "DigitalOcean token", "dop_v1_|doo_v1_|dor_v1_", _WORD + r"do[opr]_v1_[0-9a-f]{64}", "gitleaks: digitalocean"
    ),
    _pattern(
        "Telegram bot token",
        ":AA",
        r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
        "Telegram: bot tokens",
        before=(10, 9, 8),
    ),
    _pattern(
        "JSON web token",
        "eyJ",
        _WORD + r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}",
        "RFC 7519: two parts of base64 JSON and a signature",
    ),
    _pattern(
        "private key",
        "-----BEGIN ",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=:,.()\s\\\"]|-(?!----)){60,20000}?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        "RFC 7468 and kin; an RSA key of 16,384 bits has 12,700 characters",
    ),
    _pattern(
        "bearer token",
        "Bearer |bearer |BEARER ",
        r"(?<![A-Za-z0-9])(?i:bearer) +((?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{20,}=*)",
        "RFC 6750: an Authorization header in a text",
        guessable=True,
    ),
    _pattern(
        "basic credentials",
        "Authorization|authorization|AUTHORIZATION",
        r"(?i:authorization)[\"'\\]*\s*[:=]\s*[\"'\\]*(?i:basic) +([A-Za-z0-9+/]{12,}=*)",
        "RFC 7617: an Authorization header in a text",
        guessable=True,
    ),
    _pattern(
        "labelled key",
        "key|Key|KEY",
        r"(?i:(?:(?<=api)|(?<=api[_-])|(?<=access)|(?<=access[_-])|(?<=secret)|(?<=secret[_-])"
        r"|(?<=subscription)|(?<=subscription[_-]))key)[\"'\\]*\s*[:=]\s*[\"'\\]*((?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{32,})(?![A-Za-z0-9_-])",
        "an api-key header or an assignment in a text, as for Azure OpenAI's 32 digits",
        guessable=True,
    ),
    _pattern(
        "password in a URL",
        "://",
        r"(?<=[A-Za-z0-9])://[^\s/:@\"'<>{}$]*:([^\s/:@\"'<>{}$]{3,})@(?=[A-Za-z0-9\[])",
        "RFC 3986, section 3.2.1: user information",
        guessable=True,
    ),
)
