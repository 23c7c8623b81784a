"""A writer of keyward vault files, written from vault-core/FORMAT.md (the § numbers below are its chapters).

`compose` makes a whole file from a root key, slots, secrets, bindings and connections. Every salt and id may be given, so that a
file can be made again byte for byte; what is not given is random. The other functions encode one part each and check
nothing: the test vectors are made of them, and most of those are wrong on purpose.
"""

import base64
import io
import os
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyward_fields import padded
from keyward_keys import PASSPHRASE, check_line, message_key, passphrase_key, sha256
from keyward_reader import CONNECTION_KINDS, INDEX_PAGE, MAGIC, NO_AUTH, OF_TENANT, OF_WORKSPACE, VALUE_PAGE, Vault

SECRETS, SESSIONS, BUNDLE = 1, 2, 3
WORKSPACE, TENANT = 0, 1
KEYRING, ENV, MACHINE, RECOVERY = 1, 2, 4, 5
PURPOSE_NAMES = {SECRETS: "secrets", SESSIONS: "sessions", BUNDLE: "bundle"}


def random(size):
    return field(default_factory=lambda: os.urandom(size))


@dataclass
class Head:
    """The header's fields (§4.1). A length or count of None is computed."""
    vault_id: bytes = random(16)
    epoch: int = 1
    generation: int = 1
    purpose: int = SECRETS
    version: int = 1
    suite: int = 1
    header_length: int | None = None
    index_length: int | None = None
    slot_count: int | None = None


@dataclass
class Slot:
    """A key slot (§4.2) and the slot key that wraps the root key in it."""
    kind: int
    slot_key: bytes
    slot_id: bytes = random(16)
    parameters: bytes = bytes(28)
    salt: bytes = random(32)


@dataclass
class Secret:
    """One version of one secret. An empty workspace stands for the tenant's own scope."""
    tenant: str
    workspace: str
    name: str
    version: int
    created: int
    value: bytes
    value_id: bytes = random(16)
    salt: bytes = random(32)

    def scope(self):
        kind = WORKSPACE if self.workspace else TENANT
        return kind, self.tenant.encode(), self.workspace.encode()


@dataclass
class Connection:
    """An empty workspace stands for the tenant's own scope; `secret_scope` is "workspace", "tenant" or None."""
    tenant: str
    workspace: str
    connection_id: str
    kind: str
    label: str
    secret: str | None = None
    secret_scope: str | None = None
    settings: dict = field(default_factory=dict)
    created: int = 0
    updated: int = 0

    def order(self):
        kind = WORKSPACE if self.workspace else TENANT
        return kind, self.tenant.encode(), self.workspace.encode(), self.connection_id.encode()

    def fields(self):
        """The fields in the order of §5, as [scope, id, kind, label, auth, secret, settings, created, updated]."""
        numbers = {name: number for number, name in CONNECTION_KINDS.items()}
        auth = {None: NO_AUTH, "workspace": OF_WORKSPACE, "tenant": OF_TENANT}[self.secret_scope]
        settings = sorted((key.encode(), value.encode()) for key, value in self.settings.items())
        return [list(self.order()[:3]), self.connection_id.encode(), numbers[self.kind], self.label.encode(), auth,
                (self.secret or "").encode(), settings, self.created, self.updated]


def passphrase_slot(passphrase, memory, passes, lanes, kdf_salt, **rest):
    parameters = struct.pack("<III", memory, passes, lanes) + kdf_salt
    return Slot(PASSPHRASE, passphrase_key(passphrase, memory, passes, lanes, kdf_salt), parameters=parameters, **rest)


# --- the parts of a file --------------------------------------------------------------------------------------

def seal(key, label, context, plaintext, salt):
    """§3."""
    okm = message_key(key, label, context, salt)
    return salt + okm[44:76] + AESGCM(okm[:32]).encrypt(okm[32:44], plaintext, b"")


def slot_context(head, slot):
    return struct.pack("<HHB", head.version, head.suite, head.purpose) + head.vault_id + struct.pack("<Q", head.epoch) \
        + slot.slot_id + struct.pack("<H", slot.kind) + slot.parameters


def encode_slot(head, slot, root_key):
    return struct.pack("<HH", slot.kind, 0) + slot.slot_id + slot.parameters \
        + seal(slot.slot_key, b"keyward slot", slot_context(head, slot), root_key, slot.salt)


def encode_header(head, slots, index_length):
    """The header without its hash; `slots` are encoded."""
    def given(number, computed):
        return computed if number is None else number
    return MAGIC + struct.pack("<HHB3x", head.version, head.suite, head.purpose) \
        + struct.pack("<I", given(head.header_length, 96 + 160 * len(slots))) + head.vault_id \
        + struct.pack("<QQQI", head.epoch, head.generation, given(head.index_length, index_length),
                      given(head.slot_count, len(slots))) + b"".join(slots)


def text(raw):
    return struct.pack("<Q", len(raw)) + raw


def vector(elements):
    return struct.pack("<Q", len(elements)) + b"".join(elements)


def encode_scope(kind, tenant, workspace):
    return bytes([kind]) + text(tenant) + text(workspace)


def encode_entry(scope, name, version, created, value_id, sealed_length, digest):
    """A `value` of the index (§5)."""
    return struct.pack("<I", scope) + text(name) + struct.pack("<IQ", version, created) + value_id \
        + struct.pack("<I", sealed_length) + digest


def encode_binding(tenant, workspace, directory):
    return text(tenant) + text(workspace) + text(directory)


def encode_connection(scope, connection_id, kind, label, auth, secret, settings, created, updated):
    return encode_scope(*scope) + text(connection_id) + bytes([kind]) + text(label) + bytes([auth]) + text(secret) \
        + vector([text(key) + text(value) for key, value in settings]) + struct.pack("<QQ", created, updated)


def encode_index(body, schema=1):
    """The plaintext of the index."""
    plaintext = struct.pack("<IQ", schema, len(body)) + body
    return plaintext.ljust(padded(len(plaintext), INDEX_PAGE), b"\0")


def encode_value(value):
    """The plaintext of a value (§6)."""
    plaintext = struct.pack("<I", len(value)) + value
    return plaintext.ljust(padded(len(plaintext), VALUE_PAGE), b"\0")


def value_context(head, value_id):
    return struct.pack("<HH", head.version, head.suite) + head.vault_id + value_id


def seal_value(head, root_key, value_id, plaintext, salt):
    return seal(root_key, b"keyward value", value_context(head, value_id), plaintext, salt)


def join(root_key, header, index_plaintext, index_salt, sealed_values):
    """The file (§4), of a header that has its hash."""
    return header + seal(root_key, b"keyward index", header, index_plaintext, index_salt) + b"".join(sealed_values)


# --- the whole file -------------------------------------------------------------------------------------------

def compose(root_key, slots, secrets, bindings=(), head=None, index_salt=None, connections=()):
    """A file of `Slot`s, `Secret`s, bindings (tenant, workspace, directory in bytes) and `Connection`s, in the order
    of §5.

    The file is read back before it is returned, so a content that the format does not allow raises the reader's error.
    """
    head = head or Head()
    secrets = sorted(secrets, key=lambda secret: (secret.scope(), secret.name.encode(), -secret.version))
    scopes = sorted({secret.scope() for secret in secrets})
    entries, sealed_values = [], []
    for secret in secrets:
        sealed = seal_value(head, root_key, secret.value_id, encode_value(secret.value), secret.salt)
        entries.append(encode_entry(scopes.index(secret.scope()), secret.name.encode(), secret.version, secret.created,
                                    secret.value_id, len(sealed), sha256(sealed)))
        sealed_values.append(sealed)
    encoded_bindings = [encode_binding(tenant.encode(), workspace.encode(), directory)
                        for tenant, workspace, directory in
                        sorted(bindings, key=lambda b: (b[0].encode(), b[1].encode(), b[2]))]
    body = vector([encode_scope(*scope) for scope in scopes]) + vector(entries) + vector(encoded_bindings)
    if connections:
        in_order = sorted(connections, key=Connection.order)
        body += vector([encode_connection(*connection.fields()) for connection in in_order])
    index = encode_index(body, schema=2 if connections else 1)
    header = encode_header(head, [encode_slot(head, slot, root_key) for slot in slots], len(index) + 80)
    made = join(root_key, header + sha256(header), index, index_salt or os.urandom(32), sealed_values)

    vault = Vault(io.BytesIO(made), PURPOSE_NAMES.get(head.purpose))
    vault.open_index(root_key)
    if [vault.read_value(n) for n in range(len(secrets))] != [secret.value for secret in secrets]:
        raise AssertionError("the file does not read back")
    return made


def key_text(key):
    """§8: how a key is shown to a person."""
    return "kwk1_" + base64.urlsafe_b64encode(key + sha256(b"keyward key" + key)[:4]).decode()


def recovery_code(raw):
    """§8: the code of 16 bytes."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    check = int.from_bytes(sha256(b"keyward recovery" + raw)[:3], "big") >> 4
    number = int.from_bytes(raw, "big") << 22 | check
    plain = "".join(alphabet[number >> shift & 31] for shift in range(145, -1, -5))
    return "-".join(plain[at:at + 5] for at in range(0, 30, 5))


def seed_file(seed, host_name):
    """§8.1."""
    encoded = base64.urlsafe_b64encode(seed).rstrip(b"=")
    lines = b"keyward machine seed 1\nseed " + encoded + b"\nhost " + host_name + b"\n"
    return lines + check_line(lines)
