"""Makes the test vectors of tests/vectors: for each name a vault file and a JSON file (see README.md).

Every salt and id is derived from the name of the vector, so that each run makes the same bytes. A wrong file has one
fault only and is right in everything else: its hashes and seals are made after the fault was put in.

    python3 make_vectors.py [FOLDER]
"""

import io
import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import keyward_writer as writer
from keyward_keys import (from_key_text, from_machine, from_passphrase, from_recovery_code, from_slot_key, hkdf,
                          message_key, recovery_bytes, sha256)
from keyward_reader import Vault
from keyward_writer import (BUNDLE, ENV, KEYRING, MACHINE, PASSPHRASE, RECOVERY, SESSIONS, Connection, Head, Secret,
                            Slot)
from two_keys import key_stream, two_key_message, xor

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "vectors"
ROOT_KEY = bytes(range(32))
SLOT_KEY = b"\x11" * 32
LIGHT = 65_536, 3, 1  # the smallest costs that §7 allows
DAY = 1_700_000_000
BY_SLOT_KEY = {"slot": 0, "slot_key": SLOT_KEY.hex()}


class Draft:
    """A small file on its way: `seal`, `encode` and `finish` are its steps, and a fault is put in between them."""

    def __init__(self, name):
        self.name = name
        self.head = Head(self.fixed("vault id", 16), generation=3)
        self.root_key = ROOT_KEY
        self.slots = [self.slot(ENV, SLOT_KEY)]
        self.secrets = [self.secret("TOKEN")]
        self.bindings = []
        self.connections = []  # the fields of each, as lists, so that one may be replaced
        self.header_patches = []
        self.entries = self.body = self.index = self.index_length = None

    def fixed(self, what, size):
        return sha256(f"{self.name}: {what}".encode())[:size]

    def slot(self, kind, key, label="first", parameters=bytes(28)):
        return Slot(kind, key, self.fixed(f"id of {label} slot", 16), parameters,
                    self.fixed(f"salt of {label} slot", 32))

    def costs(self, label, memory, passes, lanes):
        """A passphrase slot that no passphrase opens: only its costs count."""
        parameters = struct.pack("<III", memory, passes, lanes) + self.fixed(f"kdf salt of {label}", 16)
        return self.slot(PASSPHRASE, self.fixed(f"key of {label}", 32), label, parameters)

    def secret(self, name, version=1, value=b"value", workspace="web", tenant="default"):
        label = f"{tenant}/{workspace}/{name}/{version}"
        return Secret(tenant, workspace, name, version, DAY + version, value, self.fixed(f"id of {label}", 16),
                      self.fixed(f"salt of {label}", 32))

    def seal(self, plaintexts=None):
        """Seals the values; entries are lists [scope, name, version, created, value id, sealed length, hash]."""
        self.scopes = sorted({secret.scope() for secret in self.secrets})
        self.sealed, self.entries = [], []
        for number, secret in enumerate(self.secrets):
            plaintext = plaintexts[number] if plaintexts else writer.encode_value(secret.value)
            sealed = writer.seal_value(self.head, self.root_key, secret.value_id, plaintext, secret.salt)
            self.sealed.append(sealed)
            self.entries.append([self.scopes.index(secret.scope()), secret.name.encode(), secret.version,
                                 secret.created, secret.value_id, len(sealed), sha256(sealed)])
        return self

    def encode(self):
        if self.entries is None:
            self.seal()
        self.body = writer.vector([writer.encode_scope(*scope) for scope in self.scopes]) \
            + writer.vector([writer.encode_entry(*entry) for entry in self.entries]) \
            + writer.vector([writer.encode_binding(*binding) for binding in self.bindings])
        if self.connections:
            self.body += writer.vector([writer.encode_connection(*fields) for fields in self.connections])
        return self

    def finish(self):
        if self.body is None:
            self.encode()
        if self.index is None:
            self.index = writer.encode_index(self.body, schema=2 if self.connections else 1)
        slots = [writer.encode_slot(self.head, slot, self.root_key) for slot in self.slots]
        header = bytearray(writer.encode_header(self.head, slots, len(self.index) + 80))
        for offset, data in self.header_patches:
            header[offset:offset + len(data)] = data
        header = bytes(header)
        return writer.join(self.root_key, header + sha256(header), self.index, self.fixed("salt of index", 32),
                           self.sealed)

    def patched(self, offset, data):
        """The file with other bytes in its header, whose hash and index are made after that."""
        self.header_patches.append((offset, data))
        return self.finish()


VECTORS = []  # (name, about, facts of the JSON file, function from a draft to the file's bytes)


def good(about, opening=None, purpose="secrets"):
    def register(make):
        VECTORS.append((make.__name__, about, {"open": opening or BY_SLOT_KEY, "purpose": purpose}, make))
        return make
    return register


def bad(stage, refused, about, opening=None, purpose="secrets", **more):
    def register(make):
        facts = {"open": opening or BY_SLOT_KEY, "purpose": purpose, "refused": refused, "stage": stage, **more}
        VECTORS.append((make.__name__, about, facts, make))
        return make
    return register


# --- files that open ------------------------------------------------------------------------------------------

@good("a vault with no scopes, values or bindings")
def empty_vault(d):
    d.secrets = []
    return d.finish()


@good("purpose 2, opened by a caller that expects it", purpose="sessions")
def purpose_sessions(d):
    d.head.purpose = SESSIONS
    return d.finish()


@good("Argon2id with the smallest costs allowed; the passphrase is used as its exact bytes",
      {"slot": 0, "passphrase": " correct h\u00f6rse "})
def passphrase_slot(d):
    kdf_salt = d.fixed("kdf salt", 16)
    d.slots = [writer.passphrase_slot(" correct h\u00f6rse ".encode(), *LIGHT, kdf_salt, slot_id=d.fixed("id", 16),
                                      salt=d.fixed("salt", 32))]
    return d.finish()


RECOVERY_BYTES = bytes.fromhex("0123456789abcdeffedcba9876543210")
TYPED_CODE = writer.recovery_code(RECOVERY_BYTES).lower().replace("-", " ", 1).replace("1", "l").replace("0", "o")
BY_CODE = {"slot": 0, "recovery_code": TYPED_CODE}


@good("a recovery code, typed in lower case with `l` for 1 and `o` for 0", BY_CODE)
def recovery_slot(d):
    d.slots = [d.slot(RECOVERY, hkdf(recovery_bytes(TYPED_CODE), b"keyward recovery", 32))]
    return d.finish()


@good("a bundle: a secret of the workspace and one of the tenant, opened by its recovery code",
      BY_CODE, purpose="bundle")
def bundle(d):
    return as_bundle(d, [d.secret("TOKEN", workspace="default"), d.secret("TOKEN", workspace="")]).finish()


@good("a bundle with connections of the workspace and the tenant, one of which refers to a secret that the bundle does "
      "not have", BY_CODE, purpose="bundle")
def bundle_with_connections(d):
    d.connections = [
        Connection("default", "default", "alerts", "slack", "Alerts", "TOKEN", "workspace", {"channel": "#a"}, DAY,
                   DAY).fields(),
        Connection("default", "default", "code", "github", "Code", "SHARED", "tenant", {}, DAY, DAY).fields(),
        Connection("default", "", "nightly", "cron", "Nightly", None, None, {}, DAY, DAY).fields()]
    return as_bundle(d, [d.secret("TOKEN", workspace="default")]).finish()


@good("a bundle of a connection alone", BY_CODE, purpose="bundle")
def bundle_of_connections_alone(d):
    d.connections = [Connection("default", "default", "nightly", "cron", "Nightly", created=DAY, updated=DAY).fields()]
    return as_bundle(d, []).finish()


def as_bundle(d, secrets):
    d.head.purpose = BUNDLE
    d.slots = [d.slot(RECOVERY, hkdf(recovery_bytes(TYPED_CODE), b"keyward recovery", 32))]
    d.secrets = secrets
    return d


@good("a machine slot", {"slot": 0, "machine": {"seed": "22" * 32, "host_name": "build-1"}})
def machine_slot(d):
    d.slots = [d.slot(MACHINE, hkdf(b"\x22" * 32, b"keyward machine\0build-1", 32))]
    return d.finish()


@good("as many slots as allowed, of every kind, 4 of them with a passphrase; the costs of one are at the limit, and "
      "those of all four; the last slot opens", {"slot": 15, "key_text": writer.key_text(SLOT_KEY)})
def sixteen_slots(d):
    costs = [(1_048_576, 4, 16), (65_536, 57, 1), (65_536, 4, 1), (65_536, 3, 1)]
    d.slots = [d.costs(f"passphrase {number}", *cost) for number, cost in enumerate(costs)]
    for number in range(11):
        d.slots.append(d.slot((ENV, MACHINE, RECOVERY)[number % 3], d.fixed(f"key {number}", 32), f"other {number}"))
    d.slots.append(d.slot(KEYRING, SLOT_KEY, "last"))
    return d.finish()


@good("a tenant's scope, a name of 256 bytes, names in the order of their bytes and not of UTF-16, white space inside "
      "a name, a directory that is not UTF-8, values at the edges of the padding, and the largest numbers")
def names_and_scopes(d):
    d.head.epoch = d.head.generation = 2 ** 64 - 1
    d.secrets = [d.secret("A", value=b""), d.secret("a b", value=bytes(60)), d.secret("\u00e9" * 128, value=bytes(61)),
                 d.secret("\uff5e"), replace(d.secret("\U0001f511", version=2 ** 32 - 1), created=2 ** 64 - 1),
                 d.secret("A", workspace="")]
    d.bindings = [(b"a", b"web", b"/"), (b"default", b"other", b"/srv/\xff"), (b"default", b"web", b"/srv/\xff")]
    return d.finish()


@good("as many versions of one secret as allowed, with a gap, the newest first")
def eleven_versions(d):
    d.secrets = [d.secret("TOKEN", version) for version in (20, *range(10, 0, -1))]
    return d.finish()


@good("two values with one id, which readers need not find")
def value_ids_equal(d):
    d.secrets = [d.secret("A"), d.secret("B")]
    d.secrets[1].value_id = d.secrets[0].value_id
    return d.finish()


@good("an index that fills its 4096 bytes exactly, so that no zeros follow it")
def index_page_full(d):
    d.encode()
    missing = 4096 - 12 - len(d.body) - 8 - 7 - 8 - 3 - 8
    d.bindings = [(b"default", b"web", b"/" + b"d" * (missing - 1))]
    return d.encode().finish()


@good("connections in two workspaces and a tenant, of the first and the last kind, with every kind of reference, one of "
      "them to a secret that is not there, in workspaces that are no scopes; the largest id, label, settings and times")
def connections(d):
    settings = {"channel": "#alerts", "region": "eu-central-1"}
    texts = {"k" * 64: "v" * 4096, "a": " = ", "\u00e9": "\U0001f511", "Z": ""}
    d.connections = [
        Connection("default", "other", "0", "cdc", "no credentials", None, None, texts, 0, 2 ** 64 - 1).fields(),
        Connection("default", "web", "a", "slack", "Alerts", "TOKEN", "workspace", settings, DAY, DAY + 1).fields(),
        Connection("default", "web", "a-b", "github", "a = b", "SHARED", "tenant", {}, DAY, DAY).fields(),
        Connection("acme", "", "w" * 63, "webhook", "\u00e9" * 128, "GONE", "tenant", {}, 2 ** 64 - 1, 0).fields()]
    return d.finish()


@good("connections and nothing else, one with as many settings as allowed")
def connections_alone(d):
    d.secrets = []
    settings = {f"{number:02}": "" for number in range(64)}
    d.connections = [Connection("default", "", "only", "mcp", "M", None, None, settings).fields()]
    return d.finish()


OTHER_KEY = b"\x12" * 32


@good("two slots that unwrap to two root keys, and an index that AES-GCM opens under both: by the root key to which the "
      "index commits, it opens")
def index_of_two_root_keys_opened_by_its_own(d):
    return with_index_of_two_root_keys(d)


def with_index_of_two_root_keys(d):
    d.slots.append(d.slot(ENV, OTHER_KEY, "second"))
    other_root = d.fixed("other root key", 32)
    slot = writer.encode_slot(d.head, d.slots[1], other_root)
    # The 16 bytes that the equation decides are in a directory, where any bytes but zeros may be.
    d.bindings = [(b"default", b"web", b"/" + b"d" * 63)]
    made = d.patched(64 + 160, slot)
    header, salt = made[:416], made[416:416 + 32]
    okm, other = (message_key(root, b"keyward index", header, salt) for root in (ROOT_KEY, other_root))
    free = -(-d.index.index(b"d" * 63) // 16) * 16
    ciphertext, tag = two_key_message(okm, other, d.index, free)
    return header + salt + okm[44:] + ciphertext + tag + made[416 + 80 + len(ciphertext):]


@good("a slot that AES-GCM unwraps under two slot keys, to two root keys: under the one to which it commits, it opens")
def slot_of_two_keys_opened_by_its_own(d):
    return with_slot_of_two_keys(d)


def with_slot_of_two_keys(d):
    [slot] = d.slots
    context = writer.slot_context(d.head, slot)
    okm, other = (message_key(key, b"keyward slot", context, slot.salt) for key in (SLOT_KEY, OTHER_KEY))
    ciphertext, tag = two_key_message(okm, other, ROOT_KEY, free=16)
    d.root_key = xor(ciphertext, key_stream(okm, len(ciphertext)))
    return d.patched(64 + 48, slot.salt + okm[44:] + ciphertext + tag)


# --- refused by the header ------------------------------------------------------------------------------------

@bad("header", "foreign", "the last byte of the magic is another")
def not_keyward(d):
    return d.patched(7, b"\x1b")


@bad("header", "damaged", "one bit of the header's hash is another")
def header_with_wrong_hash(d):
    made = bytearray(d.finish())
    made[255] ^= 1
    return bytes(made)


@bad("header", "damaged", "the header length is below 96")
def header_length_below_96(d):
    return d.patched(16, struct.pack("<I", 95))


@bad("header", "too_large", "the header length is above its limit, and above the file's size")
def header_length_over_limit(d):
    return d.patched(16, struct.pack("<I", 16_385))


@bad("header", "truncated", "the header length is within its limit and above the file's size")
def header_length_past_end(d):
    return d.patched(16, struct.pack("<I", 16_384))


def header_vector(function_name, refused, about, **fields):
    """A vector whose header has other numbers in some of its fields."""
    def make(d):
        d.head = replace(d.head, **fields)
        return d.finish()
    make.__name__ = function_name
    bad("header", refused, about)(make)


header_vector("header_length_zero", "damaged", "a header length of 0", header_length=0)
header_vector("header_length_of_sign_bit", "too_large", "a header length of 2^31", header_length=2 ** 31)
header_vector("header_length_hostile", "too_large", "a header length of 2^32 - 1", header_length=2 ** 32 - 1)
header_vector("index_length_zero", "damaged", "a sealed index length of 0", index_length=0)
header_vector("index_length_one", "damaged", "a sealed index length of 1", index_length=1)
header_vector("index_length_below_limit", "damaged", "a sealed index length of 134,213,711: one below the limit",
              index_length=134_213_711)
header_vector("index_length_of_sign_bit", "too_large", "a sealed index length of 2^63", index_length=2 ** 63)
header_vector("slot_count_of_sign_bit", "too_large", "a slot count of 2^31", slot_count=2 ** 31)
header_vector("slot_count_hostile", "too_large", "a slot count of 2^32 - 1", slot_count=2 ** 32 - 1)
header_vector("suite_zero", "damaged", "suite 0", suite=0)
header_vector("newest_version", "newer", "version 65,535", version=65_535)
header_vector("newest_suite", "newer", "suite 65,535", suite=65_535)


@bad("header", "damaged", "version 0")
def version_zero(d):
    d.head.version = 0
    return d.finish()


@bad("header", "newer", "version 2; what follows is not known, here a purpose of 9")
def newer_version(d):
    d.head.version, d.head.purpose = 2, 9
    return d.finish()


@bad("header", "newer", "suite 2")
def newer_suite(d):
    d.head.suite = 2
    return d.finish()


@bad("header", "damaged", "purpose 0")
def purpose_zero(d):
    d.head.purpose = 0
    return d.finish()


@bad("header", "newer", "purpose 4, the first that this version does not know")
def purpose_unknown(d):
    d.head.purpose = 4
    return d.finish()


@bad("header", "wrong_purpose", "purpose 2, opened by a caller that expects 1")
def purpose_not_expected(d):
    d.head.purpose = SESSIONS
    return d.finish()


@bad("header", "wrong_purpose", "a bundle in the place of a vault")
def bundle_not_expected(d):
    d.head.purpose = BUNDLE
    return d.finish()


@bad("header", "wrong_purpose", "a vault in the place of a bundle", purpose="bundle")
def vault_not_expected(d):
    return d.finish()


@bad("header", "damaged", "a reserved byte of the header is 1")
def reserved_bytes_not_zero(d):
    return d.patched(15, b"\x01")


@bad("header", "damaged", "epoch 0")
def epoch_zero(d):
    d.head.epoch = 0
    return d.finish()


@bad("header", "damaged", "generation 0")
def generation_zero(d):
    d.head.generation = 0
    return d.finish()


@bad("header", "too_large", "a sealed index length of 134,217,808: the first of its form above the limit")
def index_length_over_limit(d):
    d.head.index_length = 134_217_808
    return d.finish()


@bad("header", "truncated", "a sealed index length at its limit, in a small file")
def index_length_past_end(d):
    d.head.index_length = 134_213_712
    return d.finish()


@bad("header", "truncated", "an empty file")
def empty_file(d):
    return b""


@bad("header", "truncated", "the first seven bytes of the magic and no more")
def truncated_in_magic(d):
    return d.finish()[:7]


@bad("header", "foreign", "a text that is shorter than the magic")
def short_text(d):
    return b"KEY=v\n"


@bad("header", "truncated", "purpose 2 where 1 is expected, and cut off in the index: the purpose is checked last")
def truncated_with_other_purpose(d):
    d.head.purpose = SESSIONS
    return d.finish()[:300]


@bad("header", "damaged", "no slots, and a header length that fits")
def slot_count_zero(d):
    d.slots = []
    return d.finish()


@bad("header", "too_large", "17 slots, and a header length that fits")
def seventeen_slots(d):
    d.slots += [d.slot(ENV, d.fixed(f"key {number}", 32), f"other {number}") for number in range(16)]
    return d.finish()


@bad("header", "damaged", "a slot count of 1 in a header of two slots")
def slot_count_and_length_differ(d):
    d.slots.append(d.slot(ENV, SLOT_KEY, "second"))
    d.head.slot_count = 1
    return d.finish()


@bad("header", "damaged", "a second slot with the id of the first")
def slot_ids_equal(d):
    d.slots.append(replace(d.slot(ENV, SLOT_KEY, "second"), slot_id=d.slots[0].slot_id))
    return d.finish()


@bad("header", "damaged", "a second slot of kind 6")
def slot_kind_unknown(d):
    d.slots.append(d.slot(6, SLOT_KEY, "second"))
    return d.finish()


@bad("header", "damaged", "a reserved byte of a slot is 1")
def slot_reserved_not_zero(d):
    return d.patched(64 + 3, b"\x01")


@bad("header", "damaged", "an env slot with a parameter that is not zero; its seal fits")
def slot_parameters_not_zero(d):
    d.slots = [d.slot(ENV, SLOT_KEY, parameters=bytes(27) + b"\x01")]
    return d.finish()


@bad("header", "too_large", "a second slot whose Argon2id memory is 1 KiB above the limit")
def kdf_memory_over_limit(d):
    d.slots.append(d.costs("second", 1_048_577, 3, 1))
    return d.finish()


@bad("header", "too_large", "a second slot whose memory times passes is 0 when it is counted in 32 bits")
def kdf_product_hostile(d):
    d.slots.append(d.costs("second", 65_536, 65_536, 1))
    return d.finish()


@bad("header", "too_large", "three passphrase slots that are allowed one by one, and not together")
def kdf_sum_over_limit(d):
    d.slots += [d.costs("second", 1_048_576, 4, 1), d.costs("third", 1_048_576, 4, 1), d.costs("fourth", *LIGHT)]
    return d.finish()


@bad("header", "damaged", "a second slot whose Argon2id memory is 1 KiB below the floor")
def kdf_below_floor(d):
    d.slots.append(d.costs("second", 65_535, 3, 1))
    return d.finish()


def cost_vector(function_name, refused, about, *costs):
    def make(d):
        d.slots.append(d.costs("second", *costs))
        return d.finish()
    make.__name__ = function_name
    bad("header", refused, about)(make)


cost_vector("kdf_memory_hostile", "too_large", "a second slot that asks for 4 TiB of Argon2id memory", 2 ** 32 - 1, 3, 1)
cost_vector("kdf_passes_hostile", "too_large", "a second slot of 2^32 - 1 Argon2id passes", 65_536, 2 ** 32 - 1, 1)
cost_vector("kdf_passes_below_floor", "damaged", "a second slot of two Argon2id passes", 65_536, 2, 1)
cost_vector("kdf_lanes_hostile", "too_large", "a second slot of 2^24 - 1 Argon2id lanes", 65_536, 3, 2 ** 24 - 1)
cost_vector("kdf_lanes_zero", "damaged", "a second slot of no Argon2id lanes", 65_536, 3, 0)
cost_vector("kdf_memory_below_eight_lanes", "damaged", "a second slot with less Argon2id memory than 8 KiB for each of its "
            "lanes, which Argon2 does not allow", 127, 3, 16)


@bad("header", "too_large", "five passphrase slots of the smallest costs")
def five_passphrase_slots(d):
    d.slots += [d.costs(f"passphrase {number}", *LIGHT) for number in range(5)]
    return d.finish()


@bad("header", "too_large", "a sealed index length of 2^64 - 1")
def index_length_hostile(d):
    d.head.index_length = 2 ** 64 - 1
    return d.finish()


@bad("header", "damaged", "a sealed index whose plaintext is one byte above 4096")
def index_length_not_a_page(d):
    d.index = writer.encode_index(d.encode().body) + b"\0"
    return d.finish()


@bad("header", "truncated", "cut off in the header, after its header length")
def truncated_in_header(d):
    return d.finish()[:100]


@bad("header", "truncated", "cut off in the index")
def truncated_in_index(d):
    return d.finish()[:300]


# --- refused by the slot --------------------------------------------------------------------------------------

@bad("slot", "wrong_key", "another slot key", {"slot": 0, "slot_key": "12" * 32})
def wrong_key(d):
    return d.finish()


@bad("slot", "wrong_key", "an env slot whose kind was changed to keyring, with a header hash that fits")
def slot_swapped_kind(d):
    return d.patched(64, struct.pack("<H", KEYRING))


@bad("slot", "wrong_key", "a slot that was taken from another vault, with a header hash that fits")
def slot_of_other_vault(d):
    other = writer.encode_slot(Head(d.fixed("other vault id", 16)), d.slots[0], ROOT_KEY)
    return d.patched(64, other)


@bad("slot", "wrong_key", "the commitment of the wrapped root key is another, its ciphertext and tag are right")
def slot_with_wrong_commitment(d):
    slot = writer.encode_slot(d.head, d.slots[0], ROOT_KEY)
    return d.patched(64, slot[:80] + bytes([slot[80] ^ 1]) + slot[81:])


@bad("slot", "wrong_key", "the tag of the wrapped root key is another, its commitment is right")
def slot_with_wrong_tag(d):
    slot = writer.encode_slot(d.head, d.slots[0], ROOT_KEY)
    return d.patched(64, with_last_bit_flipped(slot))


def with_last_bit_flipped(message):
    return message[:-1] + bytes([message[-1] ^ 1])


@bad("slot", "wrong_key", "a slot that AES-GCM unwraps under two slot keys: the other one is refused by the commitment alone",
     {"slot": 0, "slot_key": OTHER_KEY.hex()})
def slot_of_two_keys(d):
    return with_slot_of_two_keys(d)


# --- refused by the index -------------------------------------------------------------------------------------

def with_other_header(d, change):
    """The file with another header whose hash fits, before the sealed index that was made for the first one."""
    made, length = d.finish(), 96 + 160 * len(d.slots)
    header = change(bytearray(made[:length - 32]))
    return bytes(header) + sha256(header) + made[length:]


@bad("index", "damaged", "the generation was raised, with a header hash that fits; the index is that of the former one")
def older_index_newer_header(d):
    def change(header):
        header[44] += 1
        return header
    return with_other_header(d, change)


@bad("index", "damaged", "two slots were exchanged, with a header hash that fits",
     {"slot": 1, "slot_key": SLOT_KEY.hex()})
def slots_exchanged(d):
    d.slots.append(d.slot(ENV, b"\x12" * 32, "second"))
    return with_other_header(d, lambda header: header[:64] + header[224:384] + header[64:224])


@bad("index", "damaged", "two slots that unwrap to two root keys, and an index that AES-GCM opens under both: the other root "
     "key is refused by the commitment alone", {"slot": 1, "slot_key": OTHER_KEY.hex()})
def index_of_two_root_keys(d):
    return with_index_of_two_root_keys(d)


@bad("index", "damaged", "the commitment of the index is another, its ciphertext and tag are right")
def index_with_wrong_commitment(d):
    made = d.finish()
    return made[:256 + 63] + bytes([made[256 + 63] ^ 1]) + made[256 + 64:]


@bad("index", "damaged", "the tag of the index is another, its commitment is right")
def index_with_wrong_tag(d):
    d.secrets = []  # so that the index ends the file
    return with_last_bit_flipped(d.finish())


@bad("index", "damaged", "schema 0")
def schema_zero(d):
    d.index = writer.encode_index(d.encode().body, schema=0)
    return d.finish()


@bad("index", "newer", "schema 2^32 - 1")
def newest_schema(d):
    d.index = writer.encode_index(d.encode().body, schema=2 ** 32 - 1)
    return d.finish()


@bad("index", "newer", "schema 3")
def newer_schema(d):
    d.index = writer.encode_index(d.encode().body, schema=3)
    return d.finish()


@bad("index", "damaged", "a body length of 2^64 - 1")
def body_length_hostile(d):
    index = writer.encode_index(d.encode().body)
    d.index = index[:4] + b"\xff" * 8 + index[12:]
    return d.finish()


@bad("index", "damaged", "the body is one zero byte longer than its vectors")
def body_with_spare_bytes(d):
    d.encode().body += b"\0"
    return d.finish()


@bad("index", "damaged", "the last of the zeros after the body is 1")
def index_padding_not_zero(d):
    d.index = writer.encode_index(d.encode().body)[:-1] + b"\x01"
    return d.finish()


@bad("index", "damaged", "4096 zeros more than are needed after the body")
def index_page_too_many(d):
    d.index = writer.encode_index(d.encode().body) + bytes(4096)
    return d.finish()


@bad("index", "damaged", "a count of values of 2^64 - 1: more than the body can have")
def value_count_hostile(d):
    d.encode()
    at = 8 + len(writer.encode_scope(*d.scopes[0]))
    d.body = d.body[:at] + b"\xff" * 8 + d.body[at + 8:]
    return d.finish()


@bad("index", "damaged", "a count of values that is one too high: the last one would go past the body")
def value_count_too_high(d):
    d.encode()
    at = 8 + len(writer.encode_scope(*d.scopes[0]))
    d.body = d.body[:at] + struct.pack("<Q", 2) + d.body[at + 8:]
    return d.finish()


def hostile_vector(function_name, about, before, number):
    """A vector with a hostile count or length in the body of its index, behind its first parts."""
    def make(d):
        d.bindings = [(b"default", b"web", b"/srv")]
        d.encode()
        at = len(before(d))
        d.body = d.body[:at] + struct.pack("<Q", number) + d.body[at + 8:]
        return d.finish()
    make.__name__ = function_name
    bad("index", "damaged", about)(make)


def scopes_of(d):
    return writer.vector([writer.encode_scope(*scope) for scope in d.scopes])


def values_of(d):
    return scopes_of(d) + writer.vector([writer.encode_entry(*entry) for entry in d.entries])


hostile_vector("scope_count_hostile", "a count of scopes of 2^63: more than the body can have", lambda d: b"", 2 ** 63)
hostile_vector("binding_count_hostile", "a count of bindings of 2^40: more than the body can have", values_of, 2 ** 40)
hostile_vector("tenant_length_hostile", "a tenant's id of 2^64 - 1 bytes: it would go past the body",
               lambda d: bytes(8 + 1), 2 ** 64 - 1)
hostile_vector("name_length_hostile", "a name of 2^31 bytes: it would go past the body",
               lambda d: scopes_of(d) + bytes(8 + 4), 2 ** 31)
hostile_vector("directory_length_hostile", "a directory of 2^63 bytes: it would go past the body",
               lambda d: values_of(d) + bytes(8 + 8 + 7 + 8 + 3), 2 ** 63)


@bad("index", "damaged", "a scope that no value uses")
def scope_unused(d):
    d.seal().scopes.append((0, b"default", b"web2"))
    return d.finish()


@bad("index", "damaged", "two scopes, the later one first")
def scopes_out_of_order(d):
    d.secrets.append(d.secret("TOKEN", workspace="api"))
    d.seal().scopes.reverse()
    for entry, position in zip(d.entries, (0, 1)):
        entry[0] = position
    return d.finish()


@bad("index", "damaged", "a tenant's scope that names a workspace")
def scope_tenant_with_workspace(d):
    d.seal().scopes = [(1, b"default", b"web")]
    return d.finish()


@bad("index", "damaged", "a workspace id that starts with a dot")
def workspace_id_with_dot(d):
    d.seal().scopes = [(0, b"default", b".web")]
    return d.finish()


@bad("index", "too_large", "a workspace id of 65 bytes")
def workspace_id_65_bytes(d):
    d.seal().scopes = [(0, b"default", b"w" * 65)]
    return d.finish()


@bad("index", "damaged", "a scope of kind 2")
def scope_kind_unknown(d):
    d.seal().scopes = [(2, b"default", b"web")]
    return d.finish()


@bad("index", "damaged", "a value in scope 1, where there is one scope only")
def value_scope_past_end(d):
    d.secrets.append(d.secret("ZERO"))
    d.seal().entries[1][0] = 1
    return d.finish()


def two_secrets(d):
    d.secrets = [d.secret("A"), d.secret("B")]
    return d.seal()


@bad("index", "damaged", "two names, the later one first")
def index_values_out_of_order(d):
    d.secrets = [d.secret("B"), d.secret("A")]
    return d.finish()


@bad("index", "damaged", "one version of one name twice, with two ids")
def index_duplicate_value(d):
    two_secrets(d).entries[1][1] = b"A"
    return d.finish()


@bad("index", "damaged", "versions 1 and 2 of one name, the older one first")
def versions_ascending(d):
    d.secrets = [d.secret("TOKEN", 1), d.secret("TOKEN", 2)]
    return d.finish()


@bad("index", "damaged", "version 0 of a secret")
def secret_version_zero(d):
    d.secrets = [d.secret("TOKEN", 0)]
    return d.finish()


@bad("index", "too_large", "twelve versions of one secret")
def twelve_versions(d):
    d.secrets = [d.secret("TOKEN", version) for version in range(12, 0, -1)]
    return d.finish()


def name_vector(function_name, name, about, refused="damaged", **more):
    def make(d):
        d.seal().entries[0][1] = name
        return d.finish()
    make.__name__ = function_name
    bad("index", refused, about, **more)(make)


name_vector("name_empty", b"", "an empty name")
name_vector("name_with_equals", b"A=B", "a name with `=`")
name_vector("name_with_nul", b"A\0B", "a name with U+0000")
name_vector("name_invalid_utf8", b"A\xed\xa0\x80", "a name with a surrogate, which is no UTF-8")
name_vector("name_257_bytes", b"A" * 257, "a name of 257 bytes", "too_large")
name_vector("name_with_zero_width", "A\u2060B".encode(), "a name with U+2060")
name_vector("name_with_space_at_end", "A\u3000".encode(), "a name that ends with U+3000")


@bad("index", "damaged", "a binding to a directory that is not absolute")
def binding_relative(d):
    d.bindings = [(b"default", b"web", b"srv")]
    return d.finish()


@bad("index", "damaged", "one binding twice")
def binding_duplicate(d):
    d.bindings = [(b"default", b"web", b"/srv")] * 2
    return d.finish()


@bad("index", "damaged", "a sealed length of 80: a value without plaintext")
def sealed_length_80(d):
    d.seal(plaintexts=[b""])
    return d.finish()


@bad("index", "too_large", "a sealed length of 1,048,784: the first of its form above the limit")
def sealed_length_over_limit(d):
    d.seal().entries[0][5] = 1_048_784
    return d.finish()


@bad("index", "damaged", "a directory with a zero byte")
def binding_with_zero_byte(d):
    d.bindings = [(b"default", b"web", b"/srv\0")]
    return d.finish()


@bad("index", "damaged", "two bindings, the later one first")
def bindings_out_of_order(d):
    d.bindings = [(b"default", b"web", b"/srv"), (b"default", b"web", b"/a")]
    return d.finish()


def connected(d):
    """A file with one connection; returns its fields, of which one is to be replaced."""
    d.connections = [Connection("default", "web", "alerts", "slack", "Alerts", "TOKEN", "workspace",
                                {"channel": "a", "region": "b"}, DAY, DAY).fields()]
    return d.connections[0]


SCOPE, CONNECTION_ID, KIND, LABEL, AUTH, SECRET, SETTINGS = range(7)


def connection_vector(function_name, field, content, about, refused="damaged"):
    def make(d):
        connected(d)[field] = content
        return d.finish()
    make.__name__ = function_name
    bad("index", refused, about)(make)


connection_vector("connection_scope_unknown", SCOPE, [2, b"default", b"web"], "a connection in a scope of kind 2")
connection_vector("connection_id_empty", CONNECTION_ID, b"", "a connection with an empty id")
connection_vector("connection_id_with_capital", CONNECTION_ID, b"Alerts", "the id of a connection with a capital")
connection_vector("connection_id_64_bytes", CONNECTION_ID, b"a" * 64, "the id of a connection of 64 bytes", "too_large")
connection_vector("connection_kind_zero", KIND, 0, "a connection of kind 0")
connection_vector("connection_kind_unknown", KIND, 17, "a connection of kind 17")
connection_vector("connection_label_empty", LABEL, b"", "a connection with an empty label")
connection_vector("connection_label_with_bidi", LABEL, "a\u202eb".encode(), "a label with U+202E")
connection_vector("connection_label_257_bytes", LABEL, b"a" * 257, "a label of 257 bytes", "too_large")
connection_vector("connection_label_invalid_utf8", LABEL, b"A\xff", "a label that is no UTF-8")
connection_vector("connection_auth_unknown", AUTH, 3, "a reference of kind 3")
connection_vector("connection_auth_none_with_secret", AUTH, 0, "no authentication, with the name of a secret")
connection_vector("connection_secret_empty", SECRET, b"", "a reference to a secret without a name")
connection_vector("connection_secret_257_bytes", SECRET, b"A" * 257, "a reference to a name of 257 bytes", "too_large")
connection_vector("connection_of_tenant_to_workspace", SCOPE, [1, b"default", b""],
                  "a connection of a tenant that refers to a secret of a workspace")
connection_vector("settings_out_of_order", SETTINGS, [(b"b", b""), (b"a", b"")], "two settings, the later one first")
connection_vector("setting_duplicate", SETTINGS, [(b"a", b"1"), (b"a", b"2")], "one setting twice, with two values")
connection_vector("setting_key_with_equals", SETTINGS, [(b"a=b", b"")], "the key of a setting with `=`")
connection_vector("setting_key_65_bytes", SETTINGS, [(b"a" * 65, b"")], "the key of a setting of 65 bytes", "too_large")
connection_vector("setting_with_escape", SETTINGS, [(b"a", b"\x1b[2J")], "the value of a setting with U+001B")
connection_vector("setting_4097_bytes", SETTINGS, [(b"a", b"v" * 4097)], "the value of a setting of 4097 bytes",
                  "too_large")
connection_vector("sixty_five_settings", SETTINGS, [(b"%02d" % number, b"") for number in range(65)],
                  "a connection with 65 settings", "too_large")


@bad("index", "damaged", "schema 2 without connections: nothing after the bindings")
def schema_without_connections(d):
    d.index = writer.encode_index(d.encode().body, schema=2)
    return d.finish()


@bad("index", "damaged", "schema 2 with a vector of no connections")
def connections_empty(d):
    d.index = writer.encode_index(d.encode().body + writer.vector([]), schema=2)
    return d.finish()


@bad("index", "damaged", "schema 1 with connections after the bindings")
def schema_of_no_connections(d):
    connected(d)
    d.index = writer.encode_index(d.encode().body, schema=1)
    return d.finish()


@bad("index", "damaged", "two connections, the later one first")
def connections_out_of_order(d):
    first = connected(d)
    d.connections.append([*first[:CONNECTION_ID], b"a", *first[KIND:]])
    return d.finish()


@bad("index", "damaged", "two connections with one id in one scope")
def connection_duplicate(d):
    first = connected(d)
    d.connections.append([*first[:LABEL], b"Other", *first[AUTH:]])
    return d.finish()


@bad("index", "damaged", "one zero byte after the connections")
def connections_with_spare_bytes(d):
    connected(d)
    d.encode().body += b"\0"
    return d.finish()


def with_connection_count(d, count):
    connected(d)
    length = len(d.encode().body) - len(writer.encode_connection(*d.connections[0]))
    d.body = d.body[:length - 8] + struct.pack("<Q", count) + d.body[length:]
    return d.finish()


@bad("index", "damaged", "a count of connections that is one too high: the last one would go past the body")
def connection_count_too_high(d):
    return with_connection_count(d, 2)


@bad("index", "too_large", "a count of connections of 10,001, which is above its limit and more than the body can have")
def connection_count_over_limit(d):
    return with_connection_count(d, 10_001)


@bad("index", "damaged", "a count of settings of 2^21, whose records alone would take 100 MB: they would go past the body")
def connection_with_hostile_setting_count(d):
    connected(d)[SETTINGS] = []
    d.encode()
    d.body = d.body[:-24] + struct.pack("<Q", 1 << 21) + d.body[-16:]
    return d.finish()


@bad("index", "truncated", "cut off in the values")
def truncated_in_values(d):
    return two_secrets(d).finish()[:-1]


@bad("index", "damaged", "one byte after the last value")
def byte_appended(d):
    return d.finish() + b"\0"


@bad("index", "damaged", "a whole vault after a whole vault")
def two_vaults_glued(d):
    d.secrets = []
    return d.finish() * 2


# --- refused by a value ---------------------------------------------------------------------------------------

@bad("index", "damaged", "a bundle with a secret of another workspace than `default`", BY_CODE, "bundle")
def bundle_of_other_workspace(d):
    return as_bundle(d, [d.secret("TOKEN", workspace="web")]).finish()


@bad("index", "damaged", "a bundle with a secret of another tenant than `default`", BY_CODE, "bundle")
def bundle_of_other_tenant(d):
    return as_bundle(d, [d.secret("TOKEN", workspace="default", tenant="acme")]).finish()


@bad("index", "damaged", "a bundle with an earlier version of a secret", BY_CODE, "bundle")
def bundle_with_history(d):
    return as_bundle(d, [d.secret("TOKEN", version, workspace="default") for version in (2, 1)]).finish()


@bad("index", "damaged", "a bundle with a version 2 alone", BY_CODE, "bundle")
def bundle_of_version_two(d):
    return as_bundle(d, [d.secret("TOKEN", 2, workspace="default")]).finish()


@bad("index", "damaged", "a bundle with a binding", BY_CODE, "bundle")
def bundle_with_binding(d):
    d.bindings = [(b"default", b"default", b"/srv")]
    return as_bundle(d, [d.secret("TOKEN", workspace="default")]).finish()


@bad("index", "damaged", "a bundle with a connection of another workspace than `default`", BY_CODE, "bundle")
def bundle_with_connection_of_other_workspace(d):
    connected(d)
    return as_bundle(d, [d.secret("TOKEN", workspace="default")]).finish()


@bad("index", "damaged", "a bundle with a connection of another tenant than `default`", BY_CODE, "bundle")
def bundle_with_connection_of_other_tenant(d):
    d.connections = [Connection("acme", "", "nightly", "cron", "Nightly").fields()]
    return as_bundle(d, [d.secret("TOKEN", workspace="")]).finish()


@bad("index", "too_large", "a bundle with connections whose count is above its limit: that is seen before their scopes",
     BY_CODE, "bundle")
def bundle_with_connection_count_over_limit(d):
    return with_connection_count(as_bundle(d, [d.secret("TOKEN", workspace="default")]), 10_001)


@bad("index", "damaged", "a bundle with a binding, and a count of connections above its limit: the binding is seen first",
     BY_CODE, "bundle")
def bundle_with_binding_and_connections(d):
    d.bindings = [(b"default", b"default", b"/srv")]
    return with_connection_count(as_bundle(d, [d.secret("TOKEN", workspace="default")]), 10_001)


@bad("value", "damaged", "a value that was sealed again under its value id; the index has the hash of the first",
     value=0)
def value_sealed_again(d):
    secret = d.seal().secrets[0]
    d.sealed = [writer.seal_value(d.head, ROOT_KEY, secret.value_id, writer.encode_value(secret.value),
                                  d.fixed("second salt", 32))]
    return d.finish()


@bad("value", "damaged", "another commitment of a value, with the right ciphertext and tag; the index has its hash",
     value=0)
def value_with_wrong_commitment(d):
    [sealed] = d.seal().sealed
    d.sealed = [sealed[:63] + bytes([sealed[63] ^ 1]) + sealed[64:]]
    d.entries[0][6] = sha256(d.sealed[0])
    return d.finish()


@bad("value", "damaged", "the tag of a value is another, with the right commitment; the index has its hash", value=0)
def value_with_wrong_tag(d):
    d.sealed = [with_last_bit_flipped(d.seal().sealed[0])]
    d.entries[0][6] = sha256(d.sealed[0])
    return d.finish()


# Two of many ids whose keys give the length of the value the same four bytes (`two_keys.py` searches for them).
IDS_OF_ONE_START = 11_906, 52_135


def numbered_id(d, number):
    return d.fixed(f"id {number}", 16)


@bad("value", "damaged", "one sealed value under two value ids, which AES-GCM opens under the keys of both, to two values of 60 "
     "bytes: the second one is refused by the commitment alone", value=1)
def value_of_two_ids(d):
    ids = [numbered_id(d, number) for number in IDS_OF_ONE_START]
    d.secrets = [replace(d.secret(name), value_id=value_id) for name, value_id in zip("AB", ids)]
    d.seal()
    salt = d.secrets[0].salt
    okm, other = (message_key(ROOT_KEY, b"keyward value", writer.value_context(d.head, value_id), salt) for value_id in ids)
    ciphertext, tag = two_key_message(okm, other, writer.encode_value(b"v" * 60), free=48)
    d.sealed = [salt + okm[44:] + ciphertext + tag] * 2
    for entry in d.entries:
        entry[5:] = len(d.sealed[0]), sha256(d.sealed[0])
    return d.finish()


@bad("value", "damaged", "two values were exchanged in the file, and their hashes in the index", value=0)
def values_exchanged_with_hashes(d):
    two_secrets(d).sealed.reverse()
    d.entries[0][6], d.entries[1][6] = d.entries[1][6], d.entries[0][6]
    return d.finish()


@bad("value", "damaged", "a value that was sealed in another vault, under the same root key and value id", value=0)
def value_of_other_vault(d):
    secret = d.secrets[0]
    other = writer.seal_value(Head(d.fixed("other vault id", 16)), ROOT_KEY, secret.value_id,
                              writer.encode_value(secret.value), secret.salt)
    d.seal().sealed = [other]
    d.entries[0][6] = sha256(other)
    return d.finish()


@bad("value", "damaged", "the last of the zeros after the second value is 1", value=1)
def value_padding_not_zero(d):
    plain = writer.encode_value(b"value")
    two_secrets(d).seal([plain, plain[:-1] + b"\x01"])
    return d.finish()


@bad("value", "damaged", "64 zeros more than are needed after a value", value=0)
def value_padding_too_long(d):
    d.seal([writer.encode_value(b"value") + bytes(64)])
    return d.finish()


@bad("value", "damaged", "a value length of 61 in a plaintext of 64 bytes", value=0)
def value_length_past_end(d):
    d.seal([struct.pack("<I", 61) + b"v" * 60])
    return d.finish()


# --- writing them ---------------------------------------------------------------------------------------------

def key_source(opening):
    """The reader's key source of an `open` object."""
    if "slot_key" in opening:
        return from_slot_key(bytes.fromhex(opening["slot_key"]))
    if "key_text" in opening:
        return from_key_text(opening["key_text"])
    if "passphrase" in opening:
        return from_passphrase(opening["passphrase"].encode())
    if "recovery_code" in opening:
        return from_recovery_code(opening["recovery_code"])
    return from_machine(bytes.fromhex(opening["machine"]["seed"]), opening["machine"]["host_name"].encode())


def expectation(facts, data):
    """The `expect` object of a file that opens, as the reader sees it."""
    vault = Vault(io.BytesIO(data), facts["purpose"])
    vault.open_index(vault.unlock(key_source(facts["open"]), facts["open"].get("slot")))
    return vault.describe(with_values=True)


def json_file(about, facts, data):
    if "refused" not in facts:
        facts = {**facts, "expect": expectation(facts, data)}
    return (json.dumps({"about": about, **facts}, indent=1, ensure_ascii=False) + "\n").encode()


def make_all():
    """All files, by name: {name: bytes}."""
    files = {}
    for name, about, facts, make in VECTORS:
        draft = Draft(name)
        if facts.get("stage") == "header":
            draft.secrets = []  # nobody gets as far as the values, so the file need not have any
        data = make(draft)
        files[name + ".vault"] = data
        files[name + ".json"] = json_file(about, facts, data)
    facts = {"open": BY_SLOT_KEY, "purpose": "secrets"}
    for name, section in ("golden_v1", "9.3"), ("golden_connections", "9.5"):
        golden = (FOLDER / f"{name}.vault").read_bytes()
        files[f"{name}.json"] = json_file(f"the file of §{section} of the format's document", facts, golden)
    return files


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, data in make_all().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
