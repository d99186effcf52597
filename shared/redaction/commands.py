"""Find passwords in options of command lines: `curl -u ada:...`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from shared.redaction.char_runs import MASK, Span, pattern

# Characters of a command line after the program's name that are searched, up to the next command.
WINDOW = r"(?:(?!\s(?:&&|\|\|?|;)\s)[^\n]){0,400}?\s"
QUOTE = r"\\*[\"']?"
WORD = r"[^\s\"'\\]+"
VALUE = rf"{QUOTE}(?P<value>{WORD})"
USER_AND_VALUE = rf"{QUOTE}[^\s:\"'\\]+:(?P<value>{WORD})"
# By the programs' names: the option with its value.
OPTIONS = {
    ("curl", "curlie", "xh", "httpie"): rf"(?:-[a-zA-Z]*[uU]|--user|--proxy-user|-a|--auth)[ =]?{USER_AND_VALUE}",
    ("mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump"): rf"-p{VALUE}",
    ("sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport"): rf"-p[ =]?{VALUE}",
    ("docker login", "podman login", "helm registry login", "oc login", "az login"): rf"-p[ =]{VALUE}",
    ("redis-cli",): rf"-a[ =]?{VALUE}",
    ("sqlcmd", "bcp", "mosquitto_pub", "mosquitto_sub", "ipmitool", "isql"): rf"-P[ =]?{VALUE}",
    ("ldapsearch", "ldapadd", "ldapmodify", "ldapwhoami", "ldapdelete"): rf"-w[ =]?{VALUE}",
    ("smbclient", "rpcclient"): rf"-U[ =]?{QUOTE}[^\s%\"'\\]+%(?P<value>{WORD})",
    ("htpasswd",): rf"-[a-zA-Z]*b[a-zA-Z]*\s+\S+\s+\S+\s+{VALUE}",
    ("openssl",): rf"-pass(?:in|out)?\s+{QUOTE}pass:(?P<value>{WORD})",
    ("unzip", "7z", "zip"): rf"-[pP]{VALUE}",
}


def spans(text: str, image: bytes) -> Iterator[Span]:
    done = 0
    for program in _programs().finditer(image):
        if program.start() < done:
            continue
        option = pattern(_option(program[0].decode())).match(text, program.end())
        if option:
            yield *option.span("value"), MASK
            done = option.end()


@cache
def _programs() -> re.Pattern[bytes]:
    names = sorted((name for names in OPTIONS for name in names), key=len, reverse=True)
    return re.compile(rb"(?<![\w-])(?:" + "|".join(map(re.escape, names)).encode() + rb")(?=[ \t])")


@cache
def _option(program: str) -> str:
    return WINDOW + next(option for names, option in OPTIONS.items() if program in names)
