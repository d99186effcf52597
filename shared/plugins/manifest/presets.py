"""Presets: named permissions that many plugins need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.plugins.manifest.permissions import WRITE, Permissions, Quotas

# Hosts and the variable of the API key, by provider.
PROVIDERS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "openai": (("api.openai.com",), "OPENAI_API_KEY"),
    "anthropic": (("api.anthropic.com",), "ANTHROPIC_API_KEY"),
    "google": (("generativelanguage.googleapis.com",), "GOOGLE_API_KEY"),
    "mistral": (("api.mistral.ai",), "MISTRAL_API_KEY"),
    "cohere": (("api.cohere.com",), "COHERE_API_KEY"),
    "groq": (("api.groq.com",), "GROQ_API_KEY"),
    "openrouter": (("openrouter.ai",), "OPENROUTER_API_KEY"),
}
SECRET_FILES = ("**/*.key", "**/*.secret", "**/*.pem", "**/*.env", "**/node_modules/**", "**/.git/**")


def plugin_workspace(ns: str) -> Permissions:
    """The plugin's own folder of the workspace, and all files package.json."""
    return Permissions(
        fs_mode=WRITE,
        fs_allow=(f".kb/{ns}", f".kb/{ns}/**", "package.json", "**/package.json"),
        fs_deny=SECRET_FILES,
        quotas=Quotas(60_000, 512, 30_000),
    )


def llm_api(providers: Iterable[str]) -> Permissions:
    """Requests to these providers and to models on this machine.

    Raises ValueError for an unknown provider.
    """
    chosen = list(providers)
    unknown = [name for name in chosen if name not in PROVIDERS]
    if unknown or not chosen:
        raise ValueError(f"llm_api accepts {', '.join(PROVIDERS)}, not {', '.join(unknown) or 'an empty list'}")
    hosts = [host for name in chosen for host in PROVIDERS[name][0]]
    keys = [PROVIDERS[name][1] for name in chosen]
    return Permissions(net=(*hosts, "localhost"), env=tuple(keys), quotas=Quotas(120_000, 512, 60_000))


def vector_db(kind: str) -> Permissions:
    """Requests to a vector database. Raises ValueError for any other than qdrant."""
    if kind != "qdrant":
        raise ValueError(f"vector_db accepts qdrant, not {kind!r}")
    return Permissions(net=("*.qdrant.io", "localhost:6333"), env=("QDRANT_URL", "QDRANT_API_KEY"))
