"""Ciphertexts of AES-GCM that open under two keys, for the test vectors: what the commitment of §3 is there to refuse.

AES-GCM's tag is a polynomial over the ciphertext, in the field of 2^128 elements, with a key's hash key in the place of
the unknown. Whoever knows two keys can choose all blocks of a ciphertext but one, and solve for the block that makes
both tags the same. (Dodis, Grubbs, Ristenpart, Woodage: Fast Message Franking, CRYPTO 2018, §3.)

    python3 two_keys.py          searches for the value ids of the vector value_of_two_ids, some seconds
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK = 16
REDUCTION = 0xE1 << 120  # NIST SP 800-38D, 6.3: the first bit of a block is its lowest coefficient


def multiplied(a, b):
    product = 0
    for bit in range(127, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (REDUCTION if b & 1 else 0)
    return product


def power(base, exponent):
    result = 1 << 127  # the field's one
    while exponent:
        if exponent & 1:
            result = multiplied(result, base)
        base, exponent = multiplied(base, base), exponent >> 1
    return result


def inverse(element):
    return power(element, 2 ** 128 - 2)


def encrypted_blocks(key, blocks):
    encryptor = Cipher(AES(key), ECB()).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def key_stream(okm, length):
    """The bytes that a plaintext of `length` is combined with; `okm` is that of §3."""
    counters = b"".join(okm[32:44] + struct.pack(">I", 2 + number) for number in range(-(-length // BLOCK)))
    return encrypted_blocks(okm[:32], counters)[:length]


def tag(okm, ciphertext):
    hash_key = int.from_bytes(encrypted_blocks(okm[:32], bytes(BLOCK)), "big")
    total = 0
    padded = ciphertext + bytes(-len(ciphertext) % BLOCK) + struct.pack(">QQ", 0, 8 * len(ciphertext))
    for at in range(0, len(padded), BLOCK):
        total = multiplied(total ^ int.from_bytes(padded[at:at + BLOCK], "big"), hash_key)
    return xor(total.to_bytes(BLOCK, "big"), encrypted_blocks(okm[:32], okm[32:44] + struct.pack(">I", 1)))


def two_key_message(first, second, plaintext, free):
    """Ciphertext and tag that AES-GCM opens under both `okm`s. Under the first one that gives the plaintext, but for the
    16 bytes at `free`, which the equation decides; under the second one it gives other bytes."""
    ciphertext = bytearray(xor(plaintext, key_stream(first, len(plaintext))))
    ciphertext[free:free + BLOCK] = bytes(BLOCK)
    difference = int.from_bytes(xor(tag(first, bytes(ciphertext)), tag(second, bytes(ciphertext))), "big")
    exponent = -(-len(ciphertext) // BLOCK) + 1 - free // BLOCK
    factors = [power(int.from_bytes(encrypted_blocks(okm[:32], bytes(BLOCK)), "big"), exponent)
               for okm in (first, second)]
    block = multiplied(difference, inverse(factors[0] ^ factors[1]))
    ciphertext[free:free + BLOCK] = block.to_bytes(BLOCK, "big")
    found = tag(first, bytes(ciphertext))
    if found != tag(second, bytes(ciphertext)):
        raise AssertionError("the tags differ")
    return bytes(ciphertext), found


def equal_starts(prk, infos, count):
    """The first two of many `info`s whose key streams begin with the same `count` bytes. About 2^(4 * count) are needed,
    so this is not HKDF as a library has it: the first step of RFC 5869, which is the same for all, is done before."""
    seen = {}
    for number, info in enumerate(infos):
        key = hmac.digest(prk, info + b"\1", "sha256")
        nonce = hmac.digest(prk, key + info + b"\2", "sha256")[:12]
        start = encrypted_blocks(key, nonce + struct.pack(">I", 2))[:count]
        if start in seen:
            return seen[start], number
        seen[start] = number
    raise AssertionError("none found")


def main():
    import make_vectors
    from keyward_writer import value_context
    draft = make_vectors.Draft("value_of_two_ids")
    prk = hmac.digest(draft.secret("A").salt, draft.root_key, "sha256")
    contexts = (value_context(draft.head, make_vectors.numbered_id(draft, number)) for number in range(1 << 20))
    infos = (b"keyward value\0" + hashlib.sha256(context).digest() for context in contexts)
    print(equal_starts(prk, infos, 4))


if __name__ == "__main__":
    main()
