"""Hosts where large language models are served: what a test must not reach behind the proxy's back.

A pattern is a host name, in which one `*` may stand for any text that is not empty; `*` alone is every host. Names are
compared without case. The list holds hosts of APIs only, not a provider's web site, so that blocking one of them blocks
nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass

KNOWN_HOSTS: dict[str, str] = {
    "api.openai.com": "OpenAI",
    "*.api.openai.com": "OpenAI",  # regional: us., eu.
    "*.openai.azure.com": "Azure OpenAI",
    "*.openai.azure.us": "Azure OpenAI",
    "*.cognitiveservices.azure.com": "Azure AI",
    "*.services.ai.azure.com": "Azure AI",
    "*.models.ai.azure.com": "Azure AI",
    "models.inference.ai.azure.com": "GitHub Models",
    "models.github.ai": "GitHub Models",
    "api.githubcopilot.com": "GitHub Copilot",
    "api.anthropic.com": "Anthropic",
    "generativelanguage.googleapis.com": "Google",
    "aiplatform.googleapis.com": "Google Vertex AI",
    "*-aiplatform.googleapis.com": "Google Vertex AI",
    "api.mistral.ai": "Mistral",
    "codestral.mistral.ai": "Mistral",
    "api.groq.com": "Groq",
    "api.deepseek.com": "DeepSeek",
    "api.together.xyz": "Together",
    "api.together.ai": "Together",
    "api.fireworks.ai": "Fireworks",
    "openrouter.ai": "OpenRouter",
    "api.x.ai": "xAI",
    "*.api.x.ai": "xAI",
    "api.cohere.com": "Cohere",
    "api.cohere.ai": "Cohere",
    "api.perplexity.ai": "Perplexity",
    "api.cerebras.ai": "Cerebras",
    "*.api.sambanova.ai": "SambaNova",
    "api.sambanova.ai": "SambaNova",
    "bedrock-runtime.*.amazonaws.com": "Amazon Bedrock",
    "bedrock-runtime-fips.*.amazonaws.com": "Amazon Bedrock",
    "router.huggingface.co": "Hugging Face",
    "api-inference.huggingface.co": "Hugging Face",
    "*.endpoints.huggingface.cloud": "Hugging Face",
    "integrate.api.nvidia.com": "NVIDIA",
    "api.deepinfra.com": "DeepInfra",
    "api.replicate.com": "Replicate",
    "api.novita.ai": "Novita",
    "api.hyperbolic.xyz": "Hyperbolic",
    "api.studio.nebius.com": "Nebius",
    "api.studio.nebius.ai": "Nebius",
    "api.tokenfactory.nebius.com": "Nebius",
    "api.ai21.com": "AI21",
    "api.moonshot.ai": "Moonshot",
    "api.moonshot.cn": "Moonshot",
    "dashscope.aliyuncs.com": "Alibaba",
    "dashscope-intl.aliyuncs.com": "Alibaba",
    "open.bigmodel.cn": "Zhipu",
    "api.z.ai": "Z.ai",
    "api.minimax.io": "MiniMax",
    "ark.*.volces.com": "Volcengine",
    "api.siliconflow.com": "SiliconFlow",
    "api.siliconflow.cn": "SiliconFlow",
    "api.upstage.ai": "Upstage",
    "api.inference.net": "Inference.net",
    "api.lambda.ai": "Lambda",
    "inference.baseten.co": "Baseten",
    "ai-gateway.vercel.sh": "Vercel",
    "gateway.ai.cloudflare.com": "Cloudflare",
    "*.ml.cloud.ibm.com": "IBM watsonx",
}
"""Pattern -> who serves there, Chat Completions or another API: a test that calls either live spends money."""


@dataclass(frozen=True, slots=True)
class Match:
    """Why a host counts as one of a model API."""

    host: str
    provider: str
    """Empty for a host that the user named."""


class HostList:
    """The known hosts and those a user adds. Looking one up costs a few comparisons, however long the list is."""

    def __init__(self, extra: Iterable[str] = (), known: dict[str, str] = KNOWN_HOSTS) -> None:
        patterns = {**known, **{pattern.lower(): "" for pattern in extra}}
        self._exact = {pattern: name for pattern, name in patterns.items() if "*" not in pattern}
        self._patterns = [
            (head, tail, name)
            for pattern, name in patterns.items()
            for head, star, tail in [pattern.partition("*")]
            if star
        ]

    def match(self, host: str) -> Match | None:
        """Which entry names this host, if any does."""
        name = host.lower().removesuffix(".")
        provider = self._exact.get(name)
        if provider is not None:
            return Match(name, provider)
        for head, tail, owner in self._patterns:
            if len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail):
                return Match(name, owner)
        return None
