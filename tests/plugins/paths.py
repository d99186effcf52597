"""Paths outside the workspace, or denied within it, in many spellings, and the requests that use them."""

from __future__ import annotations

PATHS = (
    *("../secret", "own/../../secret", "own/./../../secret", "own//../../secret", "..", "../", "own/..", "own/../.."),
    *("/etc/passwd", "//etc/passwd", "///etc/passwd", "/proc/self/environ", "/dev/stdin", "~/secret", "~root/secret"),
    *("..\\secret", "own\\..\\..\\secret", "C:/secret", "C:\\secret", "\\\\host\\share", "file:///etc/passwd"),
    *(
        "%2e%2e/secret",
        "own/%2e%2e/%2e%2e/secret",
        "%2e%2e%2fsecret",
        "..%2fsecret",
        "..%252fsecret",
        "%252e%252e/secret",
    ),
    *("..%c0%afsecret", "..%ef%bc%8fsecret", "own/..;/secret", "own/.../secret", "....//secret", "..././secret"),
    *(
        "\uff0e\uff0e/secret",
        "own/\uff0e\uff0e/\uff0e\uff0e/secret",
        "..\uff0fsecret",
        "own/\u2024\u2024/secret",
        "\u2025/secret",
    ),
    *(
        "own/x\x00/../../secret",
        "own/\x00",
        "../secret\x00.txt",
        "own/\n../secret",
        "own/\r../secret",
        "own/.. /secret",
    ),
    *(" ../secret", "own/ ../../secret", "own/..\u200b/secret", "own/..\u00a0/secret", "own/link", "own/linked/secret"),
    *("own/hard", "own/pipe", "own/inner.key", "own/INNER.KEY", "own/inner.Key", "own/deep/er/inner.key", ".staging/x"),
    *("own/\ud800", "own/" + "a/" * 600, "own/" + "x" * 300, "", ".", "./", "own/", "*", "**", "own/*", "own/?ecret"),
    *("own/e\u0301", "own/..\u2215secret", "own/..\u2044..\u2044secret", "own/inner.\u212aey", "own/inner\uff0ekey"),
    *(
        "own/inner.key/",
        "own/inner.key/.",
        "own//inner.key",
        "own/x/../inner.key",
        "own/inner.key ",
        "own/inner.key\x00",
    ),
    *(
        "own/inner.key\u3000",
        "own/\u202e../secret",
        "/dev/fd/3",
        "/proc/self/fd/0",
        "\\\\?\\secret",
        "own/link/../secret",
    ),
)
BY_PATH = (
    *(f"return context.fs.read({path!r})" for path in PATHS),
    *(f"context.fs.write({path!r}, 'x'); return 'written'" for path in PATHS[:16]),
    *(f"context.fs.append({path!r}, 'x'); return 'written'" for path in PATHS[:8]),
    *(f"context.fs.delete({path!r}); return 'deleted'" for path in ("own/link", "own/hard", "../secret")),
    *(f"return context.fs.list({path!r})" for path in ("..", "/", ".", "own/linked", "own/../..")),
)
