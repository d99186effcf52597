"""Names of currencies as shops write them, with their rules.

Symbols of Unicode's category Sc need no entry. Codes are those of ISO 4217; local symbols are those of CLDR 48, and
common spellings without diacritics.
"""

from __future__ import annotations

from enum import IntEnum


class Rule(IntEnum):
    """Least number beside a name that makes it a price."""

    ANY = 1
    """Any number."""
    PLAIN = 2
    """Any number but a recent year, a time, a month, and a count of nouns."""
    LARGE = 3
    """Three digits or a monetary form: `PHP 499`, but not `PHP 8.3`."""
    MONETARY = 4
    """Groups of thousands, two decimals, a dash, or a period of payment: `TRY 149.90`, but not `TRY 3`."""
    STRICT = 5
    """Groups of thousands with two decimals, or a period of payment."""
    NEVER = 6
    """No number: a longer word that begins with a name."""


# Codes that are words, versions or abbreviations only rarely.
CODES = (
    "USD EUR GBP CHF JPY CAD AUD NZD SEK NOK DKK ISK PLN CZK HUF BGN UAH RUB BRL MXN ARS KRW TWD HKD SGD MYR"
    " THB IDR VND"
    " ILS AED SAR QAR KWD BHD OMR JOD EGP NGN KES GHS ZAR PKR BDT LKR KZT INR RMB CNY"
    " AZN BND BWP BYN BZD DZD FJD GTQ LYD MVR PYG TND TTD UYU ZMW"
)
# Codes that name something else too: PHP 8.3, RON 95, AWG 24, GEL 50 ml, COP 28, SDG 13, BSD 14.
CODES_OF_MORE = (
    "AFN AOA AWG BAM BBD BIF BMD BOB BSD BTN CDF CLP COP CRC CVE DJF DOP ERN ETB"
    " FKP GEL GIP"
    " GMD GNF GYD HNL HTG IQD IRR JMD KGS KHR KMF KPW KYD LAK LBP LRD LSL MAD MDL MGA MKD MMK MNT MRU"
    " MUR MWK"
    " MZN NAD NIO NPR PAB PEN PGK PHP RON RSD RWF SBD SCR SDG SHP SLE SRD SSP STN SYP SZL TJS TMT"
    " TZS UGX"
    " UZS VES VUV WST XAF XCD XCG XOF XPF YER ZWG Php"
)
# Codes that are words of headings in capitals, or makes: TOP 100, ALL 500, TRY 30 DAYS, AMD 5600.
CODES_OF_WORDS = "ALL AMD CUP MOP SOS TOP TRY"

# In front of a number or behind it.
AROUND = (
    "kr kr. Kr Kr. zł zl Kč Kc Rp Rp. Rs Rs. rs. RM Bs. Bs.S S/ S/. B/. Dhs dhs Dhs. Dh. DH Tk Tk. Ksh KSh KSH"
    " Ksh. TSh USh"
    " FCFA F.CFA CFA FCFP CFPF CFP SFr. sFr. SFr VNĐ VND Afl. Gs. Nu. MTn Kz FBu Fdj Nfk Lekë RF MOP$ ZiG UM MK FG"
    " лв лв. руб руб. ₽ р. грн грн. дин дин. ден ден. тг тг. сом сўм сум din. KČ ZŁ"
    " د.إ د.إ. ر.س ر.س. د.ك د.ك. د.ب د.ب. ر.ق ر.ق. ر.ع ر.ع. د.أ د.أ. ج.م ج.م. ج.س ج.س. د.م د.م. د.ت د.ت. د.ج د.ج."
    " د.ع د.ع. د.ل د.ل. ل.ل ل.ل. ل.س ل.س. ر.ي ر.ي. أ.م أ.م. ر.إ ر.إ. ریال ريال درهم جنيه دينار تومان تومن ریال"
    ' ש"ח שח ₪ रु रु. रू रू. रुपये नेरू টাকা ரூ ரூ. రూ రూ. ರೂ ರೂ. രൂ രൂ. રૂ રૂ. රු රු. ބ. ރ. ብር ကျပ်'
    " 人民币 人民幣 新台幣 港幣 港币"
)
# Behind a number only: in front of it, they are names (Euro 2024), abbreviations or verbs.
BEHIND = (
    "Euro euro Euros euros EURO €uro евро ευρώ eiro euroa eurot eurų evro Eur dollar dollars Dollar Dollars доллар"
    " долларов yen yuan rupees Rupees rupiah Rupiah ringgit baht Baht บาท francs Franken Fränkli kronor kroner króna"
    " krónur korun koruny korún forint Forint złotych złote lei Lei leu leva лева рублей рубля pesos reais rand"
    " dirhams"
    " riyals naira shekels shekel lira liras Lira hryvnia гривень гривні dinara денари dinars dirham lekë lek тенге"
    " теңге сомов сомони манат manat so'm som TL ₺ DKr lv lv. đ Đ đồng dong шекелей драм դրամ ლარი ლ"
    " төгрөг ກີບ រៀល кр. Nkr Dkr Ikr L.E. зл шек ش.ج שקל שקלים щ.д."
)
# Short names of currencies of which each is an abbreviation of something else too.
SHORT = ["SR", "QR", "KD", "BD", "JD", "LE", "DT", "DA", "Cf", "Cg.", "Kg.", "Db", "VT", "FC", "Ar", "Br"]
# In front of a number, with their own rules.
FRONT = dict.fromkeys(SHORT, Rule.MONETARY) | {
    "Fr.": Rule.MONETARY,
    "Fr": Rule.MONETARY,
    "Euro": Rule.MONETARY,
    "TL": Rule.MONETARY,
    "L.E.": Rule.PLAIN,
    "Bs": Rule.LARGE,
    "Br": Rule.LARGE,
    "Ar": Rule.LARGE,
    "Le": Rule.LARGE,
    "CF": Rule.LARGE,
    "FC": Rule.LARGE,
    "Ft": Rule.LARGE,
    "Rf": Rule.LARGE,
    "Rf.": Rule.LARGE,
    "Lei": Rule.MONETARY,
    "Re.": Rule.PLAIN,
    "KM": Rule.MONETARY,
    "R": Rule.LARGE,
    "Q": Rule.MONETARY,
    "K": Rule.MONETARY,
    "P": Rule.MONETARY,
    "L": Rule.MONETARY,
    "ر": Rule.MONETARY,
    "LS": Rule.LARGE,
}
# Behind a number, with their own rules.
BACK = dict.fromkeys(SHORT, Rule.MONETARY) | {
    "Ft": Rule.LARGE,
    "FT": Rule.STRICT,
    "Fr.": Rule.LARGE,
    "Fr": Rule.MONETARY,
    "KM": Rule.STRICT,
    "R": Rule.STRICT,
    "L": Rule.STRICT,
    "K": Rule.STRICT,
    "р": Rule.LARGE,
    "ر": Rule.LARGE,
    "CF": Rule.LARGE,
    "Bs": Rule.LARGE,
    "LS": Rule.LARGE,
    "din": Rule.PLAIN,
    "den": Rule.LARGE,
    "sum": Rule.STRICT,
    "Rf": Rule.LARGE,
    "TND": Rule.PLAIN,
    "MAD": Rule.PLAIN,
    "Kčs": Rule.PLAIN,
}
# No space separates the words of these scripts, so nothing follows from the characters beside these names.
UNSPACED = [
    "円",
    "圓",
    "圆",
    "元",
    "块",
    "塊",
    "원",
    "万円",
    "千円",
    "億円",
    "百円",
    "万元",
    "千元",
    "만원",
    "천원",
    "백원",
    "억원",
    "엔",
    "美元",
    "欧元",
    "歐元",
    "英镑",
    "英鎊",
    "日元",
    "日圓",
    "韩元",
    "港元",
    "ドル",
    "ユーロ",
    "ウォン",
    "달러",
    "유로",
    "人民币",
    "人民幣",
    "บาท",
]
# Words that begin with such a name: principle, element, atom, circle, cause.
LONGER_WORDS = ["원칙", "원소", "원자", "원형", "원인", "元素", "元旦"]
# Codes that are written in lower case too.
ANY_CASE = ["usd", "eur", "gbp", "chf", "pln", "czk", "sek", "nok", "dkk", "huf", "aed", "inr"]


def _rules(around: Rule, more: Rule, words: Rule) -> dict[str, Rule]:
    cased = [code for each in ANY_CASE for code in (each, each.capitalize())]
    rules = dict.fromkeys([*CODES.split(), *AROUND.split(" "), *cased, *UNSPACED], around)
    rules["F CFA"] = around
    rules |= dict.fromkeys(CODES_OF_MORE.split(), more)
    return rules | dict.fromkeys(CODES_OF_WORDS.split(), words)


def before_number() -> dict[str, Rule]:
    """Names in front of a number."""
    return _rules(Rule.PLAIN, Rule.LARGE, Rule.MONETARY) | FRONT


def after_number() -> dict[str, Rule]:
    """Names behind a number."""
    rules = _rules(Rule.PLAIN, Rule.PLAIN, Rule.MONETARY)
    return rules | dict.fromkeys(BEHIND.split(), Rule.PLAIN) | dict.fromkeys(LONGER_WORDS, Rule.NEVER) | BACK
