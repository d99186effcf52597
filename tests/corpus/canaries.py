"""Secrets and personal data, each in a realistic text. None is real, and none is in this file in one piece.

They are assembled at run time, so that a scanner of repositories finds nothing, and are the same in every run.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

HEX = "0123456789abcdef"
LETTERS = string.ascii_letters + string.digits
WORD = LETTERS + "_-"
CAPITALS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Canary:
    """A text with secrets.

    said: the text. secrets: strings that must not appear in the output, as in the text or decoded.
    """

    name: str
    said: str
    secrets: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def drawn(name: str, count: int, of: str = LETTERS) -> str:
    """Random characters, with a digit, a capital and a small letter if the alphabet contains them."""
    chance = random.Random(f"{name}{count}")
    while True:
        text = "".join(chance.choices(of, k=count))
        kinds = (str.isdigit, str.isupper, str.islower)
        if all(any(map(kind, text)) or not any(map(kind, of)) for kind in kinds) or count < 6:
            return text


def token(name: str, *parts: str | tuple[int, str]) -> str:
    """Join text parts, and random characters for each part (count, alphabet)."""
    return "".join(part if isinstance(part, str) else drawn(f"{name}{n}", *part) for n, part in enumerate(parts))


# Form of each vendor's tokens.
VENDORS: dict[str, tuple[str | tuple[int, str], ...]] = {
    "github": ("gh", "p_", (36, LETTERS)),
    "github app": ("gh", "s_", (36, LETTERS)),
    "github refresh": ("gh", "r_", (76, LETTERS)),
    "github fine-grained": ("github", "_pat_", (22, LETTERS), "_", (59, LETTERS)),
    "gitlab": ("gl", "pat-", (20, WORD)),
    "gitlab runner": ("gl", "rt-", (20, WORD)),
    "slack bot": ("xo", "xb-", (12, "0123456789"), "-", (12, "0123456789"), "-", (24, LETTERS)),
    "slack app": ("xa", "pp-1-A", (10, LETTERS), "-", (13, "0123456789"), "-", (64, HEX)),
    "stripe": ("sk", "_live_", (24, LETTERS)),
    "stripe restricted": ("rk", "_test_", (24, LETTERS)),
    "webhook secret": ("wh", "sec_", (32, LETTERS + "+/")),
    "openai": ("sk", "-proj-", (48, WORD)),
    "anthropic": ("sk", "-ant-api03-", (93, WORD)),
    "google api": ("AI", "za", (35, WORD)),
    "google oauth": ("ya", "29.", (60, WORD)),
    "google client secret": ("GOC", "SPX-", (28, WORD)),
    "sendgrid": ("SG", ".", (22, WORD), ".", (43, WORD)),
    "npm": ("np", "m_", (36, LETTERS)),
    "pypi": ("py", "pi-", (80, WORD)),
    "rubygems": ("ruby", "gems_", (48, HEX)),
    "digitalocean": ("do", "p_v1_", (64, HEX)),
    "hugging face": ("h", "f_", (34, string.ascii_letters)),
    "shopify": ("sh", "pat_", (32, HEX)),
    "square": ("sq", "0atp-", (22, WORD)),
    "mailgun": ("ke", "y-", (32, HEX)),
    "mailchimp": ((32, HEX), "-us", "12"),
    "resend": ("re", "_", (8, LETTERS), "_", (24, LETTERS)),
    "twilio": ("S", "K", (32, HEX)),
    "facebook": ("EA", "A", (60, LETTERS)),
    "age": ("AGE-SEC", "RET-KEY-1", (58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")),
    "vault": ("hv", "s.", (24, WORD)),
    "docker": ("dc", "kr_pat_", (27, WORD)),
    "postman": ("PM", "AK-", (24, HEX), "-", (34, HEX)),
    "linear": ("lin", "_api_", (40, LETTERS)),
    "atlassian": ("AT", "ATT3x", (180, WORD)),
    "airtable": ("pa", "t", (14, LETTERS), ".", (64, HEX)),
    "databricks": ("da", "pi", (32, HEX)),
    "doppler": ("dp", ".pt.", (43, LETTERS)),
    "grafana": ("gl", "sa_", (32, LETTERS), "_", (8, HEX)),
    "new relic": ("NR", "AK-", (27, string.ascii_uppercase + string.digits)),
    "planetscale": ("pscale", "_tkn_", (43, WORD)),
    "pulumi": ("pu", "l-", (40, HEX)),
    "sentry": ("snt", "ryu_", (64, HEX)),
    "supabase": ("sb", "p_", (40, HEX)),
    "tailscale": ("ts", "key-auth-", (17, LETTERS), "-", (32, LETTERS)),
    "brevo": ("xkey", "sib-", (64, HEX), "-", (16, LETTERS)),
    "key of hexadecimal digits": ("s", "k-", (32, HEX)),
    "notion of earlier": ("sec", "ret_", (43, LETTERS)),
    "telegram": ((10, "123456789"), ":", "AA", (33, WORD)),
    "discord": ("M", (25, LETTERS), ".", (6, LETTERS), ".", (38, LETTERS)),
    "dropbox": ("sl", ".", (62, WORD)),
    "bitbucket": ("AT", "BB", (32, LETTERS)),
    "atlassian team": ("AT", "CTT3x", (180, WORD)),
    "contentful": ("CF", "PAT-", (43, WORD)),
    "typeform": ("tf", "p_", (44, WORD), "_", (14, LETTERS)),
    "figma": ("fi", "gd_", (40, WORD)),
    "brevo smtp": ("xsmtp", "sib-", (64, HEX), "-", (16, LETTERS)),
    "heroku": ("HR", "KU-", (8, HEX), "-", (4, HEX), "-", (4, HEX), "-", (12, HEX)),
    "notion": ("nt", "n_", (11, "0123456789"), (35, LETTERS)),
    "huggingface-alnum": ("h", "f_", (34, LETTERS)),
    "groq": ("gs", "k_", (52, LETTERS)),
    "replicate": ("r", "8_", (37, LETTERS)),
    "perplexity": ("ppl", "x-", (48, LETTERS)),
    "xai": ("xa", "i-", (80, LETTERS)),
    "nvidia": ("nv", "api-", (64, WORD)),
    "tavily": ("tv", "ly-dev-", (32, LETTERS)),
    "cerebras": ("cs", "k-", (48, LETTERS)),
    "langsmith": ("ls", "v2_pt_", (32, HEX), "_", (10, HEX)),
    "pinecone": ("pc", "sk_", (60, LETTERS)),
    "fireworks": ("f", "w_", (24, LETTERS)),
    "together": ("tg", "p_v1_", (43, LETTERS)),
    "jina": ("ji", "na_", (60, LETTERS)),
    "anyscale": ("ese", "cret_", (26, LETTERS)),
    "openrouter": ("s", "k-or-v1-", (64, HEX)),
    "openai service": ("s", "k-svcacct-", (48, LETTERS)),
    "voyage": ("p", "a-", (43, WORD)),
    "vercel blob": ("vercel", "_blob_rw_", (16, LETTERS), "_", (30, LETTERS)),
    "vercel": ("vc", "p_", (56, LETTERS)),
    "netlify": ("nf", "p_", (36, LETTERS)),
    "render": ("rn", "d_", (32, LETTERS)),
    "fly": ("f", "m2_", (60, LETTERS)),
    "neon": ("na", "pi_", (64, LETTERS)),
    "supabase secret": ("s", "b_secret_", (31, WORD)),
    "circleci": ("CCI", "PAT_", (22, LETTERS), "_", (40, HEX)),
    "buildkite": ("bk", "ua_", (40, HEX)),
    "prefect": ("pn", "u_", (36, LETTERS)),
    "cockroach": ("CCD", "B1_", (22, LETTERS), "_", (40, LETTERS)),
    "sourcegraph": ("sg", "p_", (40, HEX)),
    "nuget": ("o", "y2", (43, string.ascii_lowercase + string.digits)),
    "crates.io": ("ci", "o", (32, LETTERS)),
    "trello": ("AT", "TA", (64, HEX)),
    "readme": ("rd", "me_", (70, string.ascii_lowercase + string.digits)),
    "flutterwave": ("FLW", "SECK_TEST-", (32, HEX), "-X"),
    "easypost": ("EZ", "AK", (54, LETTERS)),
    "shippo": ("ship", "po_live_", (40, HEX)),
    "duffel": ("duf", "fel_live_", (43, WORD)),
    "posthog": ("ph", "x_", (43, LETTERS)),
    "plaid": ("acc", "ess-sandbox-", (8, HEX), "-", (4, HEX), "-", (4, HEX), "-", (4, HEX), "-", (12, HEX)),
    "stytch": ("sec", "ret-live-", (36, LETTERS)),
    "hubspot": ("pa", "t-na1-", (8, HEX), "-", (4, HEX), "-", (4, HEX), "-", (4, HEX), "-", (12, HEX)),
    "adafruit": ("ai", "o_", (28, LETTERS)),
    "tencent": ("AK", "ID", (32, LETTERS)),
    "terraform": ((14, LETTERS), ".atlas", "v1.", (67, LETTERS)),
    "dynatrace": (
        "dt0",
        "c01.",
        (24, string.ascii_uppercase + string.digits),
        ".",
        (64, string.ascii_uppercase + string.digits),
    ),
    "openshift": ("sha", "256~", (43, LETTERS)),
    "azure": ((3, LETTERS), "8", "Q~", (34, WORD)),
    "onepassword": ("op", "s_eyJ", (200, LETTERS)),
    "alibaba": ("LT", "AI", (20, LETTERS)),
    "aws key id": ("AK", "IA", (16, string.ascii_uppercase + string.digits)),
    "aws temporary key id": ("AS", "IA", (16, string.ascii_uppercase + string.digits)),
    "aws secret": ((40, LETTERS + "+/"),),
    "aws session": ("IQ", "oJb3JpZ2luX2Vj", (300, LETTERS + "+/")),
    "aws session, cut": ("IQ", "oJb3JpZ2luX2Vj", (14, LETTERS)),
    "aws older session, cut": ("FQ", "oGZXIvYXdz", (14, LETTERS)),
    "aws older session": ("Fwo", "GZXIvYXdz", (300, LETTERS + "+/")),
}
# Texts around a token that is recognised by its form.
AROUND = (
    "{}",
    "the provider said no to {} (401)",
    "a,{},b",
    "'{}'",
    "<{}>",
    "({})",
    "[{}].",
    "line one\n{}\nline three",
    "https://api.example.org/v1/{}/rows",
    "prod-{}",
)
# Names whose value is secret in any form.
NAMES = (
    *("password", "passwd", "pwd", "passphrase", "db_password", "userPassword", "secret", "client_secret"),
    *("clientSecret", "token", "access_token", "refreshToken", "id_token", "_authToken", "csrftoken", "api_key"),
    *("apiKey", "x-api-key", "X-Auth-Token", "AWS_SECRET_ACCESS_KEY", "aws_session_token", "privateKey", "sessionid"),
    *("session_id", "PHPSESSID", "JSESSIONID", "connect.sid", "signature", "X-Amz-Signature", "X-Amz-Credential"),
    *("X-Amz-Security-Token", "X-Internal-Health", "accountKey", "signing_key", "XSRF-TOKEN", "otp", "cvv", "cvc"),
    *(
        "encryption_key",
        "masterKey",
        "ssh-key",
        "SHARED_KEY",
        "license_key",
        "Ocp-Apim-Subscription-Key",
        "webhook_key",
    ),
    *("storage_key", "hmac_key", "serviceKey", "client_key", "consumer_key", "auth-key", "jwt", "session-id", "_csrf"),
)
# `{0}` is the name, `{1}` the value.
CONTEXTS = {
    "shell": "{0}={1} ./deploy",
    "spaced": "{0} = {1}",
    "yaml": "user: ada\n{0}: {1}\nport: 5432",
    "json": '{{"user": "ada", "{0}": "{1}", "port": 5432}}',
    "json in json": '{{"body": "{{\\"{0}\\": \\"{1}\\", \\"n\\": 1}}"}}',
    "pretty json": '{{\n  "{0}":\n    "{1}"\n}}',
    "python": "connect(host='db', {0}='{1}', port=5432)",
    "dict": "{{'user': 'ada', '{0}': '{1}'}}",
    "bytes": "[(b'{0}', b'{1}'), (b'host', b'db')]",
    "pairs": "[('accept', '*/*'), ('{0}', '{1}')]",
    "name and value": '{{"name": "{0}", "value": "{1}"}}',
    "form": "user=ada&{0}={1}&port=5432",
    "query": "GET https://shop.example/in?{0}={1}&page=2",
    "header": "{0}: {1}\r\nHost: shop.example",
    "folded header": "{0}:\r\n {1}\r\nHost: shop.example",
    "connection string": "Server=db;User Id=ada;{0}={1};Port=5432",
    "xml": "<user>ada</user><{0}>{1}</{0}>",
    "input": '<input type="hidden" name="{0}" value="{1}">',
    "option": "psql --{0} {1} --port 5432",
    "option with a sign": "psql --{0}={1} --port 5432",
    "ruby": ':{0} => "{1}", :port => 5432',
    "percent-encoded": "callback?to=%2Fin%3F{0}%3D{1}%26page%3D2",
}
E_MAILS = (
    "ada@example.org",
    "ada.lovelace+tag@mail.example.co.uk",
    "o'brien@example.org",
    "a@b.io",
    "ada_l-99@sub-domain.example.museum",
    "jürgen.müller@exämple.de",
    "用户@例え.jp",
    "пример@почта.рф",
    "δοκιμή@παράδειγμα.ελ",
    "अजय@डाटा.भारत",
    "ada@xn--exmple-cua.xn--p1ai",
    '"ada lovelace"@example.org',
    '"much.more\\"unusual"@example.org',
    "bounces+ada=example.org@lists.example.net",
    "ada@[192.168.2.1]",
    "ADA@EXAMPLE.ORG",
)
E_MAIL_AROUND = (
    "{}",
    "no such user: {}",
    "<{}>",
    "From: Ada <{}>, To: nobody",
    "mailto:{}?subject=hi",
    "sent to {}.",
    "({})",
    "rcpt={};ok",
    "https://shop.example/in?mail={}&page=2",
)


def checked(beginning: str, length: int = 19) -> str:
    """Card number with this prefix, zeros and the check digit. Source: ISO/IEC 7812-1, annex B."""
    number = beginning.ljust(length - 1, "0")
    digits = [int(digit) for digit in reversed(number)]
    total = sum(sum(divmod(2 * digit, 10)) for digit in digits[::2]) + sum(digits[1::2])
    return f"{number}{-total % 10}"


CARDS = {
    "visa": "4" + "111111111111111",
    "visa of 19": "4" + "000000000000000006",
    "mastercard": "5" + "555555555554444",
    "mastercard of the 2 series": "2" + "223003122003222",
    "american express": "3" + "78282246310005",
    "diners club": "3" + "0569309025904",
    "discover": "6" + "011111111111117",
    "jcb": "3" + "530111333300000",
    "unionpay": "6" + "200000000000005",
    "unionpay of 19": checked("62" + "05500000000000"),
    "maestro of 19": checked("63" + "04500000000000"),
    "older maestro of 19": checked("50" + "18500000000000"),
    "visa electron": checked("4" + "02600000000", 16),
    "maestro": checked("67" + "5900000000", 16),
    "japanese of 2017": checked("35" + "2800000000", 16),
    "mastercard of 2720": checked("27" + "2099000000", 16),
    "mastercard of 26": checked("26" + "2099000000", 16),
    "mastercard of 271": checked("27" + "1099000000", 16),
    "diners club of 36": checked("36" + "0000000000", 14),
    "american express of 34": checked("34" + "0000000000", 15),
}
IBANS = (
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "FR14 2004 1010 0505 0001 3M02 606",
    "NO93 8601 1117 947",
    "NL91 ABNA 0417 1643 00",
    "CH93 0076 2011 6238 5295 7",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
    "ES91 2100 0418 4502 0005 1332",
)
PHONES = ("+49 170 1234567", "+1 (555) 010-9999", "+44 20 7946 0958", "+33-1-99-00-12-34", "+819012345678")


def shaped() -> Iterator[Canary]:
    for vendor, parts in VENDORS.items():
        made = token(vendor, *parts)
        # The remaining text must not be usable either, so the random part is checked.
        secret = made[-14:]
        for number, around in enumerate(AROUND):
            # Without a name and between slashes, an AWS secret, which may hold slashes itself, looks like a path.
            if vendor != "aws secret" or not around.startswith("https:"):
                yield Canary(f"{vendor} {number}", around.format(made), (secret,))


def named() -> Iterator[Canary]:
    for name in NAMES:
        for context, form in CONTEXTS.items():
            value = drawn(f"{name}{context}", 11)
            yield Canary(f"{name} in {context}", form.format(name, value), (value,))


def odd_values() -> Iterator[Canary]:
    """Passwords that people choose."""
    for name, value in {
        "letters": "zorrecthorze" + "batteryztaple",
        "a dot": "S3cret" + ".horse",
        "signs": "p$w%f" + "!x*zq",
        "a comma": "hun,ter" + ",two",
        "an ampersand": "hun&ter" + "&two",
        "a bracket": "hun)ter" + "(two]x",
        "a backslash": "CORP\\hun" + "ter",
        "cyrillic": "пароль" + "секретный",
        "an at sign": "p@ss" + "w0rd!",
    }.items():
        for form in ("password={}", "password: {}\n", "PASSWORD='{}'", '{{"password":"{}"}}', "secret={} next"):
            yield Canary(f"{name} in {form!r}", form.format(value), (value[-6:], value[:6]))
    for form in ("DB_PASS={}", "DB_PASS: {}", '"pass": "{}"', "pass={}&x=1", "session={}; Path=/", "a=1; sid={}; b=2"):
        made = form if form.startswith(("DB", '"', "s")) or ";" in form else f"/in?user=ada&{form}"
        value = drawn(form, 16)
        yield Canary(f"short name in {form!r}", made.format(value), (value,))
    for form in ("authorization={}&x=1", "{{'authorization': '{}'}}", "authorization => {}"):
        value = drawn(form, 16)
        yield Canary(f"header in {form!r}", form.format(value), (value,))
    yield Canary("an escaped quote", json.dumps({"password": 'hhun"ter' + "twwo"}), ("hhun", "twwo"))
    yield Canary("an escaped quote, twice", json.dumps(json.dumps({"password": 'hhun"ter' + "twwo"})), ("hhun", "twwo"))
    yield Canary("a list", json.dumps({"api_keys": ["hunter" + "twwo", "hunter" + "thhree"]}), ("twwo", "thhree"))
    yield Canary("a list of passwords", "passwords=['hunter" + "twwo', 'hunter" + "thhree']", ("twwo", "thhree"))
    yield Canary("no end", 'token="zyxwvuts' + "rqponm", ("rqponm", "zyxwvu"))


def headers() -> Iterator[Canary]:
    secret = drawn("header", 24)
    basic = base64.b64encode(f"ada:{secret}".encode()).decode()
    for form in (
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "Authorization: {}",
        "Authorization: Token {}",
        "Authorization:\r\n Bearer {}\r\nHost: x",
        'Authorization: Digest username="ada", realm="x", response="{}"',
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20261121, SignedHeaders=host, Signature={}",
        "Proxy-Authorization: Negotiate {}",
        "curl -H 'Authorization: Bearer {}' https://shop.example",
        'curl -H "Authorization: Bearer {}" https://shop.example',
        "{{'Authorization': 'Bearer {}'}}",
        '{{"headers": [["authorization", "Bearer {}"]]}}',
        '"{{\\"authorization\\": \\"Bearer {}\\"}}"',
        "HTTPHeaderDict({{'Set-Cookie': 'sid={}; Path=/; HttpOnly'}})",
        "Cookie: theme=dark; sid={}; lang=en",
        "Set-Cookie: a={}; Path=/\r\nSet-Cookie: b=2",
        "Cookie: a=1;\r\n b={}",
        'Cookie: a="{}"; b=2',
        "got Cookie: x=1; y={} from shop.example",
        "sent 'Cookie: x=1; y={}' to it",
        "X-Api-Key: {}",
        "retrying with Bearer {} in a second",
        "Bearer%20{}",
    ):
        yield Canary(f"header {form!r}", form.format(secret), (secret,))
    for form in ("Basic {}", "Authorization: Basic {}", "-H 'authorization: basic {}'", '"auth": "{}"'):
        yield Canary(f"header {form!r}", form.format(basic), (basic, basic.rstrip("=")[:-2]))


def keys() -> Iterator[Canary]:
    for label in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "):
        lines = [drawn(f"{label}{number}", 64, LETTERS + "+/") for number in range(6)]
        begin, end = f"-----BEGIN {label}PRIVATE " + "KEY-----", f"-----END {label}PRIVATE " + "KEY-----"
        whole = "\n".join((begin, *lines, end))
        secrets = tuple(line[20:40] for line in lines)
        yield Canary(f"pem {label}", f"key:\n{whole}\ndone", secrets)
        yield Canary(f"pem {label}as json", json.dumps({"pem": whole}), secrets)
        yield Canary(f"pem {label}cut", whole[:300], secrets[:3])
        yield Canary(f"pem {label}without its beginning", "\n".join((*lines[2:], end)), secrets[2:])


def addresses() -> Iterator[Canary]:
    password = drawn("url", 12)
    for form in (
        "postgres://ada:{}@db.internal:5432/app",
        "https://{}@github.com/org/repo.git",
        "redis://:{}@cache:6379/0",
        "amqp://ada:x/{}@queue/",
        "https://ada:p@{}@shop.example/",
        "cannot reach mongodb+srv://ada:{}@cluster0.example.net/?retry=1: timed out",
        "https://hooks.sl" + "ack.com/services/T00000000/B00000000/{}wxyzabcd1234",
        "https://discord.com/api/webho" + "oks/123456789012345678/{}abcdefghijklmnop",
        "https://maps.example.org/js?key={}&v=3",
        "https://blob.example.net/a?sv=2024&sig={}%3D",
        "https://shop.example/reset?code={}",
    ):
        yield Canary(f"url {form!r}", form.format(password), (password,))


CHATS = (
    "https://acme.webhook.office.com/webhook" + "b2/0b1c-1@2c3d-4/IncomingWebhook/{}abcdef0123456789/5e6f",
    "https://hooks.zap" + "ier.com/hooks/catch/123456/{}/",
    "https://chat.example.org/hoo" + "ks/{}",
    "https://hook.eu1.ma" + "ke.com/{}",
    "https://open.feishu.cn/open-apis/bot/v2/ho" + "ok/{}-abcd-ef01",
    "https://maker.ift" + "tt.com/trigger/door/with/key/{}",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?k" + "ey={}",
    "https://oapi.dingtalk.com/robot/send?access_tok" + "en={}",
    "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=x&tok" + "en={}",
    "https://prod-12.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sp=%2Frun&si" + "g={}",
)
COMMANDS = (
    "curl -u ada:{} https://shop.example",
    "curl -s -X POST -uada:{} https://shop.example",
    "curl -sSfu 'ada:{}' https://shop.example",
    'curl --user "ada:{}" https://shop.example',
    "curl --proxy-user ada:{} -x proxy:3128 https://shop.example",
    "wget --user=ada --password={} https://shop.example",
    "wget --http-password {} https://shop.example",
    "mysql -h db -u root -p{} app",
    "mysqldump -uroot -p'{}' app > dump.sql",
    "PGPASS" + "WORD={} psql -h db -U ada app",
    "psql postgres://ada:{}@db/app",
    "psql 'host=db user=ada pass" + "word={}'",
    "psql postgresql://svc%40tenant:{}@db:5432/app",
    "sshpass -p {} ssh db",
    "redis-cli -h cache -a {} ping",
    "mongosh -u ada -p {} mongodb://db/app",
    "docker login -u ada -p {} registry.example",
    "ldapsearch -D cn=ada -w {} -b dc=example",
    "smbclient //files/share -U ada%{}",
    "htpasswd -cb users ada {}",
    "openssl rsa -in key.pem -passin pass:{}",
    "mosquitto_pub -h broker -u ada -P {} -t x",
    "az login --service-principal -u app -p {} --tenant t",
    "export MYSQL_PWD={}",
    "Passw" + "ort: {}",
    "Kennw" + "ort={}",
    "mot de pas" + "se : {}",
    "contra" + "seña: {}",
    "sen" + "ha={}",
    "wachtw" + "oord: {}",
)
LABELLED = (
    *("ssn: 078-05-1120", "SSN=078051120", '{"ssn": "078-05-1120"}', "social security number: 078-05-1120"),
    *(
        "date_of_birth: 1990-01-02",
        "date of birth: 01/02/1990",
        '"dateOfBirth": "1990-01-02"',
        "DOB 1990: dob=1990-01-02",
    ),
    *("born on 2 January 1990", "Geburtsdatum: 02.01.1990", "geboren am 2. Januar 1990", "Geburtstag: 02.01.1990"),
    *("passport number: C918273XT", "Reisepass-Nr.: C918273XT", "Personalausweisnummer: T220001293"),
    *("phone: 0170 1234567", "Telefon: 030/1234567", "Tel.: (030) 918273", "mobile number: 07700 900123"),
    *("Handy: 0170-1234567", "fax: 030 1234567", "Steuer-ID: 12 345 678 903", "tax id: 12-3456789"),
    *("Sozialversicherungsnummer: 65 070803 A 010", "national insurance number: QQ 12 34 56 C"),
    *("Kontonummer: 532013000", "account number: 532013000", "driver's license: D9182736", "NHS number: 943 476 5919"),
    *("F\xfchrerscheinnummer: B918273RE2", "<ssn>078-05-1120</ssn>", "ssn%3D078-05-1120"),
    *("Social Security Number 078 05 1120", "SSN 078-05-1120", "DOB 02/29/1984", "birth date 1984-02-29"),
    *("Geburtsdatum 29.02.1984", "NHS number 943 476 5919", "aadhaar: 2345 6789 0124", "Aadhaar no. 2345 6789 0124"),
)


def chats_and_commands() -> Iterator[Canary]:
    for form in (*CHATS, *COMMANDS):
        secret = drawn(form, 26, string.ascii_lowercase + string.digits)
        yield Canary(f"{form[:30]!r}", form.format(secret), (secret,))


def labelled() -> Iterator[Canary]:
    for said in LABELLED:
        digits = max(re.findall(r"\d[\d./ -]*\d|[A-Z][a-z]+ \d{4}", said), key=len)
        for around in ("{}", "row 7: {}, next", "{}."):
            yield Canary(f"{said[:20]!r} in {around!r}", around.format(said), (digits,))


def personal() -> Iterator[Canary]:
    for mail in E_MAILS:
        for around in E_MAIL_AROUND:
            yield Canary(f"{mail} in {around!r}", around.format(mail), (mail, mail.rpartition("@")[0] + "@"))
        yield Canary(f"{mail} as json", json.dumps({"to": mail}), (json.dumps(mail)[1:-1],))
        yield Canary(f"{mail} percent-encoded", f"/in?to={quote(mail)}&page=2", (quote(mail.rpartition("@")[0] + "@"),))
    for network, digits in CARDS.items():
        fours = [digits[at : at + 4] for at in range(0, len(digits), 4)]
        groups = fours if len(digits) in (16, 19) else [digits[:4], digits[4:10], digits[10:]]
        for printed in (digits, " ".join(groups), "-".join(groups)):
            for around in ("{}", "card {} was declined", "2026 {} 12/28", "pan={}&cvc=", "{}.", '"{}",'):
                yield Canary(f"{network} in {around!r} {printed[4]!r}", around.format(printed), (printed,))
    yield Canary("card before its code", "4" + "111 1111 1111 1111 123", ("1111 1111",))
    for iban in IBANS:
        for printed in (iban, iban.replace(" ", ""), iban.lower(), iban.lower().replace(" ", "")):
            for around in ("{}", "pay to {} EUR 12", "iban={};", "({})", "{}."):
                yield Canary(f"{printed[:5]} in {around!r}", around.format(printed), (printed,))
    for phone in PHONES:
        for around in ("{}", "call {} now", "tel:{}", "({})", "{}."):
            yield Canary(f"{phone} in {around!r}", around.format(phone), (phone,))


def tokens_of_tokens() -> Iterator[Canary]:
    def part(data: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    signature = drawn("jwt", 43, WORD)
    jwt = ".".join((part({"alg": "HS256", "typ": "JWT"}), part({"sub": "ada", "iat": 1}), signature))
    for around in (*AROUND, "token is {}", "https://shop.example/in#id={}"):
        yield Canary(f"jwt in {around!r}", around.format(jwt), (signature, jwt.split(".")[1]))
    yield Canary("jwt without a signature", jwt.rpartition(".")[0] + ".", (jwt.split(".")[1],))


def encoded() -> Iterator[Canary]:
    github = "gh" + "p_" + drawn("inner", 36)
    for inner, secret in (("ask ada@example.org", "ada@"), ("password=" + "hunter2", "hunter2"), (github, github[4:])):
        once = base64.b64encode(inner.encode()).decode()
        twice = base64.b64encode(once.encode()).decode()
        for form in ("{}", '{{"data":"{}"}}', "data:text/plain;base64,{}"):
            yield Canary(f"base64 of {inner[:9]} in {form!r}", form.format(once), (once[8:20], secret))
        yield Canary(f"base64 of base64 of {inner[:9]}", twice, (twice[8:20], secret))
        percent = "".join(f"%{byte:02x}" for byte in inner.encode())
        yield Canary(f"percent of {inner[:9]}", f"to={percent}", (percent[12:24], secret))
        yield Canary(f"percent of percent of {inner[:9]}", f"to={quote(percent)}", (quote(percent)[12:24], secret))
    yield Canary("a sign as json", "zoe\\u0040example.org", ("zoe\\",))
    yield Canary("a sign as html", "zoe&#64;example.org", ("zoe&",))
    yield Canary("a sign in full width", "zoe\uff20example.org", ("zoe\uff20",))


GROUPS = (
    *(shaped, named, odd_values, headers, keys, addresses, personal),
    *(tokens_of_tokens, encoded, chats_and_commands, labelled),
)
CANARIES = tuple(canary for group in GROUPS for canary in group())
