"""URLs of internal addresses, and public URLs that resemble them. `{ip}` in a host stands for itself."""

from __future__ import annotations

# Refused because of their form or their address.
REFUSED = (
    # This machine, in common and other notations.
    *("https://127.0.0.1/", "https://127.0.0.1:8443/hook", "https://127.255.255.254/", "https://0.0.0.0/"),
    *("https://127.1/", "https://127.0.1/", "https://0/", "https://2130706433/", "https://017700000001/"),
    *("https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0x7f000001/", "https://0x7F.1/", "https://127.0.0.1./"),
    *("https://127.0.0.01/", "https://00000127.0.0.1/", "https://127.0.0.0x1/", "https://127.00.0.1/"),
    *("https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/"),
    *("https://localhost.localdomain/", "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/"),
    # Private networks.
    *("https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/"),
    *("https://100.64.0.1/", "https://100.127.255.254/", "https://198.18.0.1/", "https://192.0.0.192/"),
    *("https://[fc00::1]/", "https://[fd12:3456::1]/", "https://[fec0::1]/", "https://router/", "https://nas.local/"),
    *("https://vault.internal/", "https://printer.lan/", "https://box.home.arpa/", "https://wiki.corp/"),
    # Link-local, and the metadata of clouds.
    *("https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/v2/credentials", "https://2852039166/"),
    *("https://0xa9fea9fe/", "https://0251.0376.0251.0376/", "https://metadata.google.internal/"),
    *("https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://100.100.100.200/"),
    *("https://168.63.129.16/",),
    # IPv4 inside IPv6: mapped, compatible, NAT64, 6to4, Teredo.
    *(
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[::127.0.0.1]/",
    ),
    *("https://[64:ff9b::7f00:1]/", "https://[64:ff9b::169.254.169.254]/", "https://[64:ff9b:1::a00:1]/"),
    *("https://[2002:7f00:1::]/", "https://[2002:a9fe:a9fe::1]/", "https://[2001:0:7f00:1::]/"),
    # Multicast, reserved and documentation addresses.
    *("https://224.0.0.1/", "https://239.255.255.250/", "https://255.255.255.255/", "https://240.0.0.1/"),
    *("https://[ff02::1]/", "https://192.0.2.1/", "https://198.51.100.7/", "https://203.0.113.9/"),
    *("https://[2001:db8::1]/", "https://192.88.99.1/", "https://[100::1]/"),
    # Characters that normalization converts to digits and dots.
    *("https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://127.0.0.①/"),
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    # Ambiguous hosts.
    *("https://shop.example@127.0.0.1/", "https://127.0.0.1@shop.example/", "https://user:word@shop.example/"),
    *("https://shop.example\\@127.0.0.1/", "https://shop.example%00.127.0.0.1/", "https://127.0.0.1%2f@shop.example/"),
    *("https://shop.example /", "https://shop.example\t/", "https://shop.example\r\nhost: x/", "https:///127.0.0.1/"),
    *("https:127.0.0.1", "https://", "//127.0.0.1/", "https://[127.0.0.1]/", "https://[::1/", "https://a..example/"),
    *("https://-shop.example/", "https://shop.example./", "https://" + "a" * 64 + ".example/"),
    # Not https, and ports of other services.
    *("http://shop.example/", "ftp://shop.example/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "data:,x"),
    *("HTTP://shop.example/", "https://shop.example:22/", "https://shop.example:25/", "https://shop.example:0/"),
    *("https://shop.example:99999/", "https://shop.example:x/", "https://shop.example/" + "a" * 2048, ""),
)

# Accepted if their hosts have public addresses.
TAKEN = (
    *(
        "https://hooks.shop.com/in",
        "https://hooks.shop.com:8443/in?key=1",
        "HTTPS://Hooks.Shop.com/",
        "https://8.8.8.8/",
    ),
    *(
        "https://[2606:4700::1111]/",
        "https://[2001:4860:4860::8888]/",
        "https://bücher.shop.com/",
        "https://straße.shop.com/",
        "https://xn--bcher-kva.shop.com",
        "https://a.co:443/x",
    ),
    "https://[2001:4860:4860::8888]/",
    *("https://127.0.0.1.shop.com/", "https://local.shop.com/", "https://0x7f.shop.com/"),
)
