"""Reasons to refuse a file, sealing (§3 of vault-core/FORMAT.md) and key sources (§8)."""

import base64
import hashlib
import hmac
import re

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KINDS = {1: "keyring", 2: "env", 3: "passphrase", 4: "machine", 5: "recovery"}
PASSPHRASE = 3


class VaultError(Exception):
    """Why a file is refused. `kind` is the word that the test vectors use."""
    kind = "error"


class NotKeyward(VaultError):
    kind = "foreign"


class Damaged(VaultError):
    kind = "damaged"


class Truncated(VaultError):
    kind = "truncated"


class Newer(VaultError):
    kind = "newer"


class WrongKey(VaultError):
    kind = "wrong_key"


class BadKeyText(WrongKey):
    """A key text or recovery code with a typo: found before any slot is tried."""


class WrongPurpose(VaultError):
    kind = "wrong_purpose"


class TooLarge(VaultError):
    kind = "too_large"


class SealBroken(Exception):
    """A sealed message does not open; what that means is the caller's to say."""


# --- §3 sealing ---------------------------------------------------------------------------------------------

def hkdf(ikm, info, length, salt=None):
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(ikm)


def sha256(data):
    return hashlib.sha256(data).digest()


def message_key(key, label, context, salt):
    """The 76 bytes of §3: AES key (32), nonce (12), commitment (32)."""
    return hkdf(key, label + b"\0" + sha256(context), 76, salt)


def open_sealed(key, label, context, sealed):
    okm = message_key(key, label, context, sealed[:32])
    if not hmac.compare_digest(okm[44:76], sealed[32:64]):
        raise SealBroken
    try:
        return AESGCM(okm[:32]).decrypt(okm[32:44], sealed[64:], b"")
    except InvalidTag:
        raise SealBroken from None


# --- §8 key sources: (kinds of slot to try, function from a slot to its slot key) ---------------------------

def from_slot_key(key):
    return set(KINDS), lambda slot: key


def from_key_text(text):
    text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    if not re.fullmatch(r"kwk1_[A-Za-z0-9_-]{48}", text):
        raise BadKeyText("not a key text")
    data = base64.urlsafe_b64decode(text[5:])
    if sha256(b"keyward key" + data[:32])[:4] != data[32:]:
        raise BadKeyText("the key text has a typo")
    return {1, 2}, lambda slot: data[:32]


def passphrase_key(passphrase, memory, passes, lanes, salt):
    return hash_secret_raw(passphrase, salt, time_cost=passes, memory_cost=memory, parallelism=lanes, hash_len=32,
                           type=Type.ID, version=0x13)


def from_passphrase(passphrase):
    return {PASSPHRASE}, lambda slot: passphrase_key(passphrase, *slot.costs, slot.parameters[12:])


def from_machine(seed, host_name):
    key = hkdf(seed, b"keyward machine\0" + host_name, 32)
    return {4}, lambda slot: key


def check_line(lines):
    return b"check " + base64.urlsafe_b64encode(sha256(lines)).rstrip(b"=") + b"\n"


def from_seed_file(content):
    """§8.1; the file is for one slot, which its name tells."""
    lines, check = content[:-50], content[-50:]
    if len(content) > 511 or check != check_line(lines):
        raise BadKeyText("the seed file is damaged")
    version, _, rest = lines.removeprefix(b"keyward machine seed ").partition(b"\n")
    if version == lines:
        raise BadKeyText("the seed file is damaged")
    if version != b"1":
        raise BadKeyText("a newer program wrote the seed file")
    found = re.fullmatch(rb"seed ([A-Za-z0-9_-]{43})\nhost ([^\0-\x1f\x7fA-Z.]{1,255})\n", rest)
    seed = base64.urlsafe_b64decode(found[1] + b"=") if found else b""
    if base64.urlsafe_b64encode(seed).rstrip(b"=") != (found and found[1]):
        raise BadKeyText("the seed file is damaged")
    try:
        if re.search("[\x80-\x9f]", found[2].decode("utf-8")):
            raise BadKeyText("the seed file is damaged")
    except UnicodeDecodeError:
        raise BadKeyText("the seed file is damaged") from None
    return from_machine(seed, found[2])


def recovery_bytes(code):
    """The 16 bytes of a recovery code, after its two zero bits and its check characters."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    plain = re.sub("[ \t\r\n-]", "", code)
    if not plain.isascii() or len(plain) != 30:
        raise BadKeyText("a recovery code has 30 characters")
    plain = plain.upper().replace("I", "1").replace("L", "1").replace("O", "0")
    number = 0
    for character in plain:
        if character not in alphabet:
            raise BadKeyText("a character that no recovery code has")
        number = number << 5 | alphabet.index(character)
    data, check = number >> 20, number & 0xFFFFF
    raw = (data >> 2).to_bytes(16, "big")
    if data & 3 or int.from_bytes(sha256(b"keyward recovery" + raw)[:3], "big") >> 4 != check:
        raise BadKeyText("the recovery code has a typo")
    return raw


def from_recovery_code(code):
    key = hkdf(recovery_bytes(code), b"keyward recovery", 32)
    return {5}, lambda slot: key
