"""A reader of keyward vault files, written from vault-core/FORMAT.md (the § numbers below are its chapters). The order
of the checks is that of §7.1.

It is slow and simple: a second opinion about the format, not a product. The steps of reading are separate calls, so
that a caller sees at which stage a file is refused:

    vault = Vault(open(path, "rb"), purpose="secrets")        # header
    root_key = vault.unlock(from_key_text("kwk1_..."))        # slot
    vault.open_index(root_key)                                # index, with the connections
    values = [vault.read_value(n) for n in range(len(vault.values))]   # value
"""

import argparse
import json
import struct
import sys
from dataclasses import dataclass

from keyward_fields import (Cursor, ascending, checked_connection_id, checked_id, checked_label, checked_name,
                            checked_setting, padded, within)
from keyward_keys import (KINDS, PASSPHRASE, Damaged, Newer, NotKeyward, SealBroken, TooLarge, Truncated, VaultError,
                          WrongKey, WrongPurpose, from_key_text, from_passphrase, from_recovery_code, from_slot_key,
                          open_sealed, sha256)

MAGIC = b"KEYWARD\x1a"
VERSION = SUITE = 1
SCHEMA, SCHEMA_WITH_CONNECTIONS = 1, 2
PURPOSES = {1: "secrets", 2: "sessions", 3: "bundle"}
SCOPES = {0: "workspace", 1: "tenant"}
CONNECTION_KINDS = dict(enumerate(("cdc", "cron", "discord", "email", "file", "github", "linear", "llm", "mcp",
                                   "pagerduty", "s3", "sentry", "slack", "stripe", "twilio", "webhook"), 1))
NO_AUTH, OF_WORKSPACE, OF_TENANT = 0, 1, 2

# Sizes (§3 to §6) and limits (§7).
HASH, SLOT, FIXED, SEAL, INDEX_PAGE, VALUE_PAGE = 32, 160, 64, 80, 4096, 64
MAX_FILE, MAX_INDEX, MAX_HEADER = 268_435_456, 134_213_712, 16_384
MAX_SLOTS, MAX_PASSPHRASE_SLOTS = 16, 4
MAX_VALUE, MAX_VALUES, MAX_VERSIONS = 1_048_576, 1_000_000, 11
MAX_CONNECTIONS, MAX_SETTINGS = 10_000, 64
MIN_MEMORY, MAX_MEMORY, MIN_PASSES, MAX_LANES = 65_536, 1_048_576, 3, 16
MAX_COST_SLOT, MAX_COST_FILE = 4_194_304, 8_388_608


@dataclass
class Slot:
    kind: int
    slot_id: bytes
    parameters: bytes
    wrapped: bytes

    @property
    def costs(self):
        """Memory in KiB, passes and lanes, of a passphrase slot."""
        return struct.unpack("<III", self.parameters[:12])


@dataclass
class Scope:
    kind: int
    tenant: str
    workspace: str

    def key(self):
        return self.kind, self.tenant.encode(), self.workspace.encode()


@dataclass
class Value:
    scope: Scope
    name: str
    version: int
    created: int
    value_id: bytes
    length: int
    digest: bytes
    offset: int


@dataclass
class Binding:
    tenant: str
    workspace: str
    directory: bytes


@dataclass
class Connection:
    scope: Scope
    connection_id: str
    kind: int
    label: str
    auth: int
    secret: str
    settings: list
    created: int
    updated: int


class Vault:
    """One vault file. The constructor checks the header; see the module's text for the later stages."""

    def __init__(self, file, purpose="secrets"):
        self.file = file
        self.size = file.seek(0, 2)
        within(self.size, MAX_FILE)
        # §4.1: what every version has in common.
        start = self._read(0, min(self.size, FIXED))
        if not MAGIC.startswith(start[:8]):
            raise NotKeyward("not a keyward file")
        if self.size < FIXED:
            raise Truncated("cut off in the header")
        length = within(int.from_bytes(start[16:20], "little"), MAX_HEADER)
        if length < FIXED + HASH:
            raise Damaged("the header length is too small")
        if length > self.size:
            raise Truncated("cut off in the header")
        self.header = self._read(0, length)
        if sha256(self.header[:-HASH]) != self.header[-HASH:]:
            raise Damaged("the header does not have its hash")
        self._parse_header(Cursor(self.header[8:-HASH]))
        if self.purpose != purpose:
            raise WrongPurpose(f"a file for {self.purpose}, not for {purpose}")

    def _read(self, offset, length):
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) != length:
            raise Truncated("the file became shorter")
        return data

    def _parse_header(self, fields):
        for what, size, known in ("version", 2, VERSION), ("suite", 2, SUITE), ("purpose", 1, max(PURPOSES)):
            number = fields.number(size)
            if number > known:
                raise Newer(f"{what} {number}: a newer program wrote this file")
            if number == 0:
                raise Damaged(f"{what} is zero")
        self.purpose = PURPOSES[number]
        if any(fields.take(3)):
            raise Damaged("reserved bytes are not zero")
        fields.take(4)  # the header length, checked by the caller
        self.vault_id = fields.take(16)
        self.epoch, self.generation, self.index_length, count = struct.unpack("<QQQI", fields.take(28))
        if self.epoch == 0 or self.generation == 0:
            raise Damaged("epoch and generation begin with 1")
        within(self.index_length, MAX_INDEX)
        if self.index_length < SEAL + INDEX_PAGE or (self.index_length - SEAL) % INDEX_PAGE:
            raise Damaged("not a length of a sealed index")
        within(count, MAX_SLOTS)
        if count == 0 or len(self.header) != FIXED + HASH + SLOT * count:
            raise Damaged("slot count and header length do not fit")
        self.slots = [self._parse_slot(fields) for _ in range(count)]
        if len({slot.slot_id for slot in self.slots}) != count:
            raise Damaged("two slots have one id")
        passphrase = [slot.costs for slot in self.slots if slot.kind == PASSPHRASE]
        if len(passphrase) > MAX_PASSPHRASE_SLOTS:
            raise TooLarge("too many passphrase slots")
        if sum(memory * passes for memory, passes, _ in passphrase) > MAX_COST_FILE:
            raise TooLarge("the passphrase slots together cost too much")
        if len(self.header) + self.index_length > self.size:
            raise Truncated("cut off in the index")

    def _parse_slot(self, fields):
        kind, reserved = fields.number(2), fields.number(2)
        slot = Slot(kind, fields.take(16), fields.take(28), fields.take(112))
        if kind not in KINDS or reserved:
            raise Damaged("no such kind of slot, or reserved bytes that are not zero")
        if kind == PASSPHRASE:
            memory, passes, lanes = slot.costs
            if memory > MAX_MEMORY or lanes > MAX_LANES or memory * passes > MAX_COST_SLOT:
                raise TooLarge("the costs of a passphrase slot are above their limit")
            if memory < MIN_MEMORY or passes < MIN_PASSES or lanes == 0:
                raise Damaged("the costs of a passphrase slot are below their limit")
        elif any(slot.parameters):
            raise Damaged("parameters that are not zero")
        return slot

    def unlock(self, source, position=None):
        """The root key, by the first slot that the key source opens (or only by the one at `position`)."""
        kinds, slot_key = source
        for number, slot in enumerate(self.slots):
            if slot.kind not in kinds or position not in (None, number):
                continue
            context = self.header[8:13] + self.vault_id + struct.pack("<Q", self.epoch) + slot.slot_id \
                + struct.pack("<H", slot.kind) + slot.parameters
            try:
                return open_sealed(slot_key(slot), b"keyward slot", context, slot.wrapped)
            except SealBroken:
                pass
        raise WrongKey("no slot opens with this key")

    def open_index(self, root_key):
        self.root_key = root_key
        sealed = self._read(len(self.header), self.index_length)
        # §4.3, of this very state of the file.
        self.revision = sha256(self.header + sealed[:64] + sealed[-16:])
        try:
            plaintext = Cursor(open_sealed(root_key, b"keyward index", self.header, sealed))
        except SealBroken:
            raise Damaged("the index does not open") from None
        schema = plaintext.number(4)
        if schema == 0:
            raise Damaged("the schema is zero")
        if schema > SCHEMA_WITH_CONNECTIONS:
            raise Newer(f"schema {schema}: a newer program wrote this file")
        body = Cursor(plaintext.take(plaintext.number(8)))
        if padded(plaintext.at, INDEX_PAGE) != len(plaintext.data) or any(plaintext.take(plaintext.left())):
            raise Damaged("the zeros after the index are not as they must be")
        scopes, values, bindings = self._decode_body(body)
        if (body.left() > 0) != (schema == SCHEMA_WITH_CONNECTIONS):
            raise Damaged("the bytes after the bindings do not fit the schema")
        self._check_scopes(scopes)
        self._check_bindings(bindings)
        self._check_values(scopes, values)
        end = len(self.header) + self.index_length + sum(value.length for value in self.values)
        if end > self.size:
            raise Truncated("cut off in the values")
        if end < self.size:
            raise Damaged("the file is longer than its index says")
        if self.purpose == "bundle" and (self.bindings or any(value.version != 1 for value in self.values)):
            raise Damaged("not the content of a bundle")
        self._check_carried(scopes)
        self.connections = self._decode_connections(body) if body.left() else []
        self._check_connections()
        self._check_carried([connection.scope for connection in self.connections])

    def _decode_body(self, body):
        """The three vectors as they stand, before anything but their encoding is checked."""
        scopes = [Scope(body.number(1), body.text(), body.text()) for _ in range(body.count(17))]
        values = [(body.number(4), body.text(), body.number(4), body.number(8), body.take(16), body.number(4),
                   body.take(32)) for _ in range(body.count(76))]
        bindings = [Binding(body.text(), body.text(), body.take(body.number(8))) for _ in range(body.count(24))]
        return scopes, values, bindings

    def _decode_connections(self, body):
        within(int.from_bytes(body.data[body.at:body.at + 8], "little"), MAX_CONNECTIONS)
        connections = [self._decode_connection(body) for _ in range(body.count(67))]
        if body.left() or not connections:
            raise Damaged("bytes are left over in the index, or there are no connections")
        return connections

    def _decode_connection(self, body):
        scope = Scope(body.number(1), body.text(), body.text())
        start = body.text(), body.number(1), body.text(), body.number(1), body.text()
        settings = [(body.text(), body.text()) for _ in range(body.count(16))]
        return Connection(scope, *start, settings, body.number(8), body.number(8))

    def _check_connections(self):
        ascending([(c.scope.key(), c.connection_id.encode()) for c in self.connections], "connections")
        for connection in self.connections:
            self._check_scope(connection.scope)
            checked_connection_id(connection.connection_id)
            if connection.kind not in CONNECTION_KINDS:
                raise Damaged("no such kind of connection")
            checked_label(connection.label)
            if connection.auth == NO_AUTH:
                if connection.secret:
                    raise Damaged("a secret of no authentication")
            elif connection.auth == OF_TENANT or (connection.auth == OF_WORKSPACE and connection.scope.kind == 0):
                checked_name(connection.secret)
            else:
                raise Damaged("not a reference")
            within(len(connection.settings), MAX_SETTINGS)
            ascending([key.encode() for key, _ in connection.settings], "settings")
            for key, value in connection.settings:
                checked_setting(key, value)

    def _check_scopes(self, scopes):
        ascending([scope.key() for scope in scopes], "scopes")
        for scope in scopes:
            self._check_scope(scope)

    def _check_scope(self, scope):
        if scope.kind not in SCOPES or (scope.kind == 1 and scope.workspace):
            raise Damaged("not a scope")
        checked_id(scope.tenant)
        if scope.kind == 0:
            checked_id(scope.workspace)

    def _check_bindings(self, bindings):
        ascending([(b.tenant.encode(), b.workspace.encode(), b.directory) for b in bindings], "bindings")
        for binding in bindings:
            checked_id(binding.tenant)
            checked_id(binding.workspace)
            if binding.directory[:1] != b"/" or b"\0" in binding.directory:
                raise Damaged("not an absolute directory")
        self.bindings = bindings

    def _check_values(self, scopes, values):
        within(len(values), MAX_VALUES)
        used, before, versions = set(), None, 0
        for scope, name, version, _, _, length, _ in values:
            # Versions descend, so their negative stands for them in the ascending order.
            ascending([*filter(None, [before]), (scope, name.encode(), -version)], "values")
            versions = versions + 1 if before and before[:2] == (scope, name.encode()) else 1
            within(versions, MAX_VERSIONS)
            checked_name(name)
            if version == 0:
                raise Damaged("a version is zero")
            within(length, SEAL + padded(4 + MAX_VALUE, VALUE_PAGE))
            if length < SEAL + VALUE_PAGE or (length - SEAL) % VALUE_PAGE:
                raise Damaged("not a length of a sealed value")
            before = (scope, name.encode(), -version)
            used.add(scope)
        if used != set(range(len(scopes))):
            raise Damaged("values and scopes do not fit together")
        self.values, offset = [], len(self.header) + self.index_length
        for scope, name, version, created, value_id, length, digest in values:
            self.values.append(Value(scopes[scope], name, version, created, value_id, length, digest, offset))
            offset += length

    def _check_carried(self, scopes):
        """§4.4: a bundle has no scopes but these two."""
        if self.purpose == "bundle" and any(scope.tenant != "default" or scope.workspace not in ("", "default")
                                            for scope in scopes):
            raise Damaged("not the content of a bundle")

    def read_value(self, position):
        value = self.values[position]
        sealed = self._read(value.offset, value.length)
        if sha256(sealed) != value.digest:
            raise Damaged("a value does not have its hash")
        context = self.header[8:12] + self.vault_id + value.value_id
        try:
            plaintext = Cursor(open_sealed(self.root_key, b"keyward value", context, sealed))
        except SealBroken:
            raise Damaged("a value does not open") from None
        length = plaintext.number(4)
        if length > MAX_VALUE:
            raise Damaged("a value is above its limit")
        content = plaintext.take(length)
        if padded(plaintext.at, VALUE_PAGE) != len(plaintext.data) or any(plaintext.take(plaintext.left())):
            raise Damaged("the zeros after a value are not as they must be")
        return content

    def describe(self, with_values=False):
        """Everything that the vectors' JSON compares (see README.md beside this file)."""
        facts = {"vault_id": self.vault_id.hex(), "epoch": self.epoch, "generation": self.generation,
                 "revision": self.revision.hex(),
                 "slots": [{"kind": KINDS[slot.kind], "id": slot.slot_id.hex()} for slot in self.slots], "values": []}
        for number, value in enumerate(self.values):
            row = {"scope": SCOPES[value.scope.kind], "tenant": value.scope.tenant, "workspace": value.scope.workspace,
                   "name": value.name, "version": value.version, "created": value.created}
            if with_values:
                row["value_hex"] = self.read_value(number).hex()
            facts["values"].append(row)
        facts["bindings"] = [{"tenant": b.tenant, "workspace": b.workspace, "directory_hex": b.directory.hex()}
                             for b in self.bindings]
        if self.connections:
            facts["connections"] = [self._describe_connection(connection) for connection in self.connections]
        return facts

    def _describe_connection(self, connection):
        scope = connection.scope
        return {"scope": SCOPES[scope.kind], "tenant": scope.tenant, "workspace": scope.workspace,
                "id": connection.connection_id, "kind": CONNECTION_KINDS[connection.kind], "label": connection.label,
                "secret": connection.secret or None,
                "secret_scope": {NO_AUTH: None, OF_WORKSPACE: "workspace", OF_TENANT: "tenant"}[connection.auth],
                "settings": [list(setting) for setting in connection.settings],
                "created": connection.created, "updated": connection.updated}


def main():
    parser = argparse.ArgumentParser(description="read a keyward vault file")
    parser.add_argument("file")
    parser.add_argument("--purpose", choices=PURPOSES.values(), default="secrets")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-text")
    key.add_argument("--slot-key", type=bytes.fromhex, metavar="HEX")
    key.add_argument("--passphrase-file", help="one line feed at the end of the file is not part of the passphrase")
    key.add_argument("--recovery-code-file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--values", action="store_true", help="show the values, in hexadecimal")
    args = parser.parse_args()
    try:
        if args.key_text is not None:
            source = from_key_text(args.key_text)
        elif args.slot_key is not None:
            source = from_slot_key(args.slot_key)
        elif args.passphrase_file is not None:
            with open(args.passphrase_file, "rb") as file:
                source = from_passphrase(file.read().removesuffix(b"\n"))
        else:
            with open(args.recovery_code_file, encoding="utf-8") as file:
                source = from_recovery_code(file.read().strip())
        with open(args.file, "rb") as file:
            vault = Vault(file, args.purpose)
            vault.open_index(vault.unlock(source))
            facts = vault.describe(args.values)
    except VaultError as error:
        sys.exit(f"refused ({error.kind}): {error}")
    if args.json or args.values:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    print(f"vault {facts['vault_id']}, epoch {vault.epoch}, generation {vault.generation}")
    for slot in facts["slots"]:
        print(f"slot {slot['id']} {slot['kind']}")
    for row in facts["values"]:
        print(f"value {row['scope']} {row['tenant']} {row['workspace'] or '-'} {row['name']} version {row['version']}")
    for row in vault.bindings:
        print(f"binding {row.tenant} {row.workspace} {row.directory!r}")
    for row in facts.get("connections", ()):
        print(f"connection {row['scope']} {row['tenant']} {row['workspace'] or '-'} {row['id']} {row['kind']}")


if __name__ == "__main__":
    main()
