"""Which models may teach: those whose weights are open, under a stated licence.

The claim of the card is that no data of private models enters training (method facts, «The card, in
numbers»). No list of private models can be whole; this one holds the families and the servers that
people have at hand, and the licence that has to be stated does the rest.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: names of models whose weights nobody publishes, as their owners' APIs and resellers spell them
_PRIVATE_MODELS = re.compile(
    r"^(?:chatgpt|gpt-?(?:3|4|5)(?![0-9])|text-davinci|davinci|o[134](?:$|-(?:mini|pro|preview|deep))"
    r"|claude|gemini|palm-?2|(?:text|chat)-bison|grok-?[34](?![0-9])|grok-code|hcx-|clova"
    r"|qwen-(?:max|plus|turbo|long)|qwen3-max|ernie-(?:bot|[34]\.0-8k|[34]\.0-turbo)|doubao|hunyuan-turbo"
    r"|nova-(?:micro|lite|pro|premier)|sonar|mistral-(?:medium|tiny)$|inflection-3|reka-(?:core|flash)$)",
    re.IGNORECASE,
)
#: servers of companies that serve nothing but such models, and their subdomains
_PRIVATE_HOSTS = (
    "api.openai.com",
    "openai.azure.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "api.x.ai",
    "clovastudio.stream.ntruss.com",
    "clovastudio.apigw.ntruss.com",
)
#: what people write where they do not know or there is none
_NO_LICENCE = re.compile(
    r"^(?:none|no|n/?a|unknown|private|proprietary|closed|commercial|\W*)$", re.IGNORECASE
)


def host_of(base_url: str | None) -> str | None:
    """The host of a server's URL, with its port; None without a URL."""
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname


def why_private(model: str, host: str | None) -> str | None:
    """Why a model may not teach, in words; None where nothing says that it is private.

    Args:
        model: a model's name, with or without the folders and revision around it.
        host: the server that was asked, with or without its port.
    """
    name = model.rpartition("/")[2].partition("@")[0]
    if _PRIVATE_MODELS.match(name):
        return f"{model} is a private model"
    bare = (host or "").partition(":")[0]
    if any(bare == known or bare.endswith(f".{known}") for known in _PRIVATE_HOSTS):
        return f"{bare} serves private models"
    return None


def states_licence(licence: str | None) -> bool:
    """Whether a text names a licence."""
    return licence is not None and _NO_LICENCE.match(licence.strip()) is None
