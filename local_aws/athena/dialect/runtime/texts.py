"""Text functions that DuckDB lacks or does differently."""

from __future__ import annotations

import decimal
import hashlib
import hmac
import unicodedata
import zlib

from local_aws.athena.dialect.runtime.failure import invalid, unsupported


def reverse_text(text: str) -> str:
    """Reverse by code points."""
    return text[::-1]


def strpos(text: str, part: str, instance: int) -> int:
    """Find the n-th occurrence from the start, or from the end for a negative n; 0 if there is none."""
    if instance == 0:
        invalid("'instance' must not be a positive or negative number.")
    if not part:
        return 1
    at = -1
    if instance > 0:
        for _ in range(instance):
            at = text.find(part, at + 1)
            if at < 0:
                return 0
        return at + 1
    end = len(text) + len(part)
    for _ in range(-instance):
        at = text.rfind(part, 0, end)
        if at < 0:
            return 0
        end = at + len(part) - 1
    return at + 1


def split_limit(text: str, delimiter: str, limit: int) -> list[str]:
    """Split into at most `limit` parts; the last holds the rest."""
    if limit <= 0:
        invalid("Limit must be positive")
    if not delimiter:
        invalid("The delimiter may not be the empty string")
    return text.split(delimiter, limit - 1)


def split_to_map(text: str, entries: str, pairs: str) -> dict[str, str]:
    """Split into entries and these into keys and values; a key may come once."""
    found: dict[str, str] = {}
    for key, value in _pairs(text, entries, pairs):
        if key in found:
            invalid(f"Duplicate keys ({key}) are not allowed")
        found[key] = value
    return found


def split_to_multimap(text: str, entries: str, pairs: str) -> dict[str, list[str]]:
    """Split into entries and these into keys and values; a key's values are collected."""
    found: dict[str, list[str]] = {}
    for key, value in _pairs(text, entries, pairs):
        found.setdefault(key, []).append(value)
    return found


def _pairs(text: str, entries: str, pairs: str) -> list[tuple[str, str]]:
    if not entries or not pairs or entries == pairs:
        invalid("entryDelimiter and keyValueDelimiter must be different texts and not empty")
    found = []
    for entry in text.split(entries):
        if not entry and (len(text) == 0 or entry is text.split(entries)[-1]):
            continue
        key, separator, value = entry.partition(pairs)
        if not separator or pairs in value:
            invalid(f"Key-value delimiter must appear exactly once in each entry. Bad input: '{entry}'")
        found.append((key, value))
    return found


def levenshtein(left: str, right: str) -> int:
    """Count the edits between two texts, by code points."""
    if min(len(left), len(right)) and max(len(left), len(right)) * (min(len(left), len(right)) - 1) > 1_000_000:
        invalid("The combined inputs for Levenshtein distance are too large")
    before = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        now = [i]
        for j, b in enumerate(right, start=1):
            now.append(min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (a != b)))
        before = now
    return before[-1]


def hamming(left: str, right: str) -> int:
    """Count the places where two texts of one length differ."""
    if len(left) != len(right):
        invalid("The input strings to hamming_distance function must have the same length")
    return sum(a != b for a, b in zip(left, right, strict=True))


def soundex(text: str) -> str:
    """Give the American Soundex code."""
    letters = text.upper()
    if not text:
        return ""
    if not letters.isascii() or not letters.isalpha():
        unsupported("soundex of anything but letters from A to Z")
    codes = {c: d for d, group in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), start=1) for c in group}
    written, last = letters[0], codes.get(letters[0])
    for letter in letters[1:]:
        code = codes.get(letter)
        if code and code != last:
            written += str(code)
        if letter not in "HW":
            last = code
    return (written + "000")[:4]


def luhn(text: str) -> bool:
    """Check a number's last digit by Luhn's rule."""
    if not text:
        return False
    if not text.isascii() or not text.isdigit():
        invalid("Input contains non-digit character")
    digits = [int(c) for c in reversed(text)]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


def format_number(value: float) -> str:
    """Write a number with about three significant digits and a unit (K, M, B, T, Q); fractions are cut off first."""
    number, unit = float(int(value)), 0
    while abs(number) >= 1000 and unit < 5:
        number, unit = number / 1000, unit + 1
    places = 2 if number < 10 else 1 if number < 100 else 0
    written = format(decimal.Decimal(number).quantize(decimal.Decimal(1).scaleb(-places), decimal.ROUND_HALF_UP), "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return written + ("", "K", "M", "B", "T", "Q")[unit]


def interleave(text: str, part: str) -> str:
    """Put a text before each character and at the end: what REPLACE of an empty text does."""
    return part.join(["", *text, ""])


def normalize(text: str, form: str) -> str:
    """Bring a text into a Unicode normal form."""
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


def from_utf8(data: bytes) -> str:
    """Read UTF-8; what is none is refused, since replacements are counted in several ways."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        unsupported("from_utf8 of bytes that are not UTF-8")


def sha512(data: bytes) -> bytes:
    """Give the SHA-512 digest."""
    return hashlib.sha512(data).digest()


_PRIMES = (
    11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
)  # fmt: skip
_MASK = 2**64 - 1


def _rotate(value: int, bits: int) -> int:
    value &= _MASK
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(state: int, lane: int) -> int:
    return _rotate(state + lane * _PRIMES[1], 31) * _PRIMES[0] & _MASK


def xxhash64(data: bytes) -> bytes:
    """Give the xxHash64 checksum with seed 0, big-endian (the algorithm is described in the xxHash specification)."""
    at, size = 0, len(data)
    if size >= 32:
        lanes = [_PRIMES[0] + _PRIMES[1] & _MASK, _PRIMES[1], 0, -_PRIMES[0] & _MASK]
        while at + 32 <= size:
            for i in range(4):
                lanes[i] = _round(lanes[i], int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little"))
            at += 32
        state = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            state = ((state ^ _round(0, lane)) * _PRIMES[0] + _PRIMES[3]) & _MASK
    else:
        state = _PRIMES[4]
    state = (state + size) & _MASK
    while at + 8 <= size:
        state ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        state, at = (_rotate(state, 27) * _PRIMES[0] + _PRIMES[3]) & _MASK, at + 8
    if at + 4 <= size:
        state ^= int.from_bytes(data[at : at + 4], "little") * _PRIMES[0] & _MASK
        state, at = (_rotate(state, 23) * _PRIMES[1] + _PRIMES[2]) & _MASK, at + 4
    for byte in data[at:]:
        state = _rotate(state ^ (byte * _PRIMES[4] & _MASK), 11) * _PRIMES[0] & _MASK
    for shift, prime in ((33, _PRIMES[1]), (29, _PRIMES[2])):
        state = (state ^ (state >> shift)) * prime & _MASK
    return (state ^ (state >> 32)).to_bytes(8, "big")


def keyed(data: bytes, key: bytes, name: str) -> bytes:
    """Give a keyed digest."""
    return hmac.new(key, data, name).digest()


def crc32(data: bytes) -> int:
    """Give the CRC-32 checksum."""
    return zlib.crc32(data)


def human_seconds(value: float) -> str:
    """Write seconds as weeks, days, hours, minutes and seconds."""
    if value != value or value in (float("inf"), float("-inf")):
        invalid(f"Invalid argument found: {value}")
    rest = round(abs(value))
    parts: list[str] = []
    for name, size in (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, size)
        if count or (name == "second" and not parts):
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    if value < 0:
        unsupported("human_readable_seconds of a negative number")
    return ", ".join(parts)


_TEXT = "VARCHAR"
REFUSING = ("trino_soundex", "trino_from_utf8", "trino_human_seconds")
FUNCTIONS = [
    ("trino_reverse_text", reverse_text, [_TEXT], _TEXT),
    ("trino_strpos", strpos, [_TEXT, _TEXT, "BIGINT"], "BIGINT"),
    ("trino_split_limit", split_limit, [_TEXT, _TEXT, "BIGINT"], "VARCHAR[]"),
    ("trino_split_to_map", split_to_map, [_TEXT] * 3, "MAP(VARCHAR, VARCHAR)"),
    ("trino_split_to_multimap", split_to_multimap, [_TEXT] * 3, "MAP(VARCHAR, VARCHAR[])"),
    ("trino_levenshtein", levenshtein, [_TEXT] * 2, "BIGINT"),
    ("trino_hamming", hamming, [_TEXT] * 2, "BIGINT"),
    ("trino_soundex", soundex, [_TEXT], _TEXT),
    ("trino_luhn", luhn, [_TEXT], "BOOLEAN"),
    ("trino_interleave", interleave, [_TEXT] * 2, _TEXT),
    ("trino_format_number", format_number, ["DOUBLE"], _TEXT),
    ("trino_normalize", normalize, [_TEXT] * 2, _TEXT),
    ("trino_from_utf8", from_utf8, ["BLOB"], _TEXT),
    ("trino_xxhash64", xxhash64, ["BLOB"], "BLOB"),
    ("trino_sha512", sha512, ["BLOB"], "BLOB"),
    ("trino_hmac", keyed, ["BLOB", "BLOB", _TEXT], "BLOB"),
    ("trino_crc32", crc32, ["BLOB"], "BIGINT"),
    ("trino_human_seconds", human_seconds, ["DOUBLE"], _TEXT),
]
