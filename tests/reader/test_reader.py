"""Tests of the reader and writer: the vectors of FORMAT.md §9, the vector files, and files that were tampered with.

    python3 -m unittest discover -s tests/reader
"""

import hashlib
import io
import json
import re
import struct
import tracemalloc
import unittest
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import keyward_keys as keys
import keyward_reader as reader
import keyward_writer as writer
import make_vectors
import two_keys

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
GOLDEN = (VECTORS / "golden_v1.vault").read_bytes()
CONNECTED = (VECTORS / "golden_connections.vault").read_bytes()


TEXTS = ("key_text", "recovery_code", "host")


def document_vectors():
    """§9 of the document: for each heading (`9.1`, …) the list of (field, bytes)."""
    document = (ROOT / "vault-core" / "FORMAT.md").read_text(encoding="utf-8")
    chapter = document[document.index("## §9 "):]
    sections = {}
    for number, body in re.findall(r"^### §(9\.\d+) .*?^```text\n(.*?)^```", chapter, re.M | re.S):
        fields = (line.strip().split(": ") for line in body.splitlines())
        sections[number] = [(field, value if field in TEXTS else bytes.fromhex(value)) for field, value in fields]
    return sections


def messages(fields):
    """The sealed messages among the fields of a section: each begins with its label."""
    found = []
    for field, value in fields:
        if field == "label":
            found.append({})
        if found and field in ("label", "context", "salt", "okm", "plaintext", "sealed"):
            found[-1][field] = value
    return found


def open_bytes(data, source, purpose="secrets", position=None):
    """Opens everything of a file; returns the vault and its values."""
    vault = reader.Vault(io.BytesIO(data), purpose)
    vault.open_index(vault.unlock(source, position))
    return vault, [vault.read_value(number) for number in range(len(vault.values))]


class Document(unittest.TestCase):
    """§9, from the text of the document itself."""

    @classmethod
    def setUpClass(cls):
        cls.sections = document_vectors()
        cls.file = dict(cls.sections["9.3"])

    def check_message(self, key, message):
        okm = keys.message_key(key, message["label"], message["context"], message["salt"])
        self.assertEqual(okm, message["okm"])
        sealed = writer.seal(key, message["label"], message["context"], message["plaintext"], message["salt"])
        self.assertEqual(sealed, message["sealed"])
        self.assertEqual(keys.open_sealed(key, message["label"], message["context"], sealed), message["plaintext"])

    def test_all_sections_are_known(self):
        self.assertEqual(sorted(self.sections), ["9.1", "9.2", "9.3", "9.4", "9.5"])

    def test_seal(self):
        [message] = messages(self.sections["9.1"])
        self.check_message(bytes(range(32)), message)

    def test_passphrase(self):
        fields = dict(self.sections["9.2"])
        memory, passes, lanes = struct.unpack("<III", fields["memory_kib passes lanes"])
        slot_key = keys.passphrase_key(fields["passphrase"], memory, passes, lanes, fields["salt"])
        self.assertEqual(slot_key, fields["slot_key"])

    def test_messages_of_the_file(self):
        found = messages(self.sections["9.3"])
        self.assertEqual([message["label"] for message in found], [b"keyward slot"] + [b"keyward value"] * 3)
        for message in found:
            key = "slot_key" if message["label"] == b"keyward slot" else "root_key"
            self.check_message(self.file[key], message)
            self.assertIn(message["sealed"], GOLDEN)

    def check_file(self, file, schema, golden):
        header, body = file["header"], file["index_body"]
        self.assertTrue(golden.startswith(header))
        index = writer.seal(self.file["root_key"], b"keyward index", header, writer.encode_index(body, schema),
                            file["index_salt"])
        self.assertEqual(index[32:64], file["index_commitment"])
        self.assertEqual(index[-16:], file["index_tag"])
        values = [message["sealed"] for message in messages(self.sections["9.3"])[1:]]
        self.assertEqual(header + index + b"".join(values), golden)
        vault, _ = open_bytes(golden, keys.from_slot_key(self.file["slot_key"]))
        self.assertEqual(vault.revision, file["revision"])

    def test_header_and_index(self):
        self.check_file(self.file, 1, GOLDEN)

    def test_header_and_index_with_connections(self):
        self.check_file(dict(self.sections["9.5"]), 2, CONNECTED)

    def test_other_slot_keys(self):
        fields = dict(self.sections["9.4"])
        self.assertEqual(writer.key_text(fields["key"]), fields["key_text"])
        self.assertEqual(keys.from_key_text(fields["key_text"])[1](None), fields["key"])
        self.assertEqual(writer.recovery_code(fields["recovery_bytes"]), fields["recovery_code"])
        self.assertEqual(keys.from_recovery_code(fields["recovery_code"])[1](None), fields["recovery_slot_key"])
        self.assertEqual(writer.seed_file(fields["seed"], fields["host"].encode()), fields["seed_file"])
        self.assertEqual(keys.from_seed_file(fields["seed_file"])[1](None), fields["machine_slot_key"])

    def made_again(self, golden):
        """A whole file again, from what the reader finds in it and the salts of the document."""
        vault, values = open_bytes(golden, keys.from_slot_key(self.file["slot_key"]))
        slot, *sealed = messages(self.sections["9.3"])
        slots = [writer.Slot(vault.slots[0].kind, self.file["slot_key"], vault.slots[0].slot_id, salt=slot["salt"])]
        secrets = [writer.Secret(value.scope.tenant, value.scope.workspace, value.name, value.version, value.created,
                                 content, value.value_id, message["salt"])
                   for value, content, message in zip(vault.values, values, sealed)]
        bindings = [(binding.tenant, binding.workspace, binding.directory) for binding in vault.bindings]
        connections = [writer.Connection(row["tenant"], row["workspace"], row["id"], row["kind"], row["label"],
                                         row["secret"], row["secret_scope"], dict(row["settings"]), row["created"],
                                         row["updated"])
                       for row in vault.describe().get("connections", ())]
        head = writer.Head(vault.vault_id, vault.epoch, vault.generation)
        return writer.compose(self.file["root_key"], slots, secrets[::-1], bindings, head, self.file["index_salt"],
                              connections[::-1])

    def test_writer_makes_the_file(self):
        self.assertEqual(self.made_again(GOLDEN), GOLDEN)

    def test_writer_makes_the_file_with_connections(self):
        self.assertEqual(self.made_again(CONNECTED), CONNECTED)


class Sealing(unittest.TestCase):
    def test_ten_thousand_messages(self):
        """One hash over many messages of all labels and lengths; `crypto/known_answers.rs` has the same one."""
        labels = b"keyward index", b"keyward slot", b"keyward value"
        total = hashlib.sha256()
        for number in range(10_000):
            count = struct.pack("<I", number)
            plaintext = count[:1] * (number % 257)
            total.update(writer.seal(bytes(range(32)), labels[number % 3], count, plaintext,
                                     keys.sha256(b"salt" + count)))
        self.assertEqual(total.hexdigest(), "2e8dd44d8e6672b4e8c156055910faaa5085030c2450ab9a5fccd695df78ab12")


class VectorFiles(unittest.TestCase):
    """Every `*.vault` of the folder, as the JSON file beside it says."""

    def check_refused(self, data, facts):
        def step(stage, action):
            try:
                return True, action()
            except reader.VaultError as error:
                self.assertEqual(stage, facts["stage"], error)
                self.assertEqual(error.kind, facts["refused"], error)
                return False, None

        going, vault = step("header", lambda: reader.Vault(io.BytesIO(data), facts["purpose"]))
        if going:
            source = make_vectors.key_source(facts["open"])
            going, root_key = step("slot", lambda: vault.unlock(source, facts["open"].get("slot")))
        if going:
            going, _ = step("index", lambda: vault.open_index(root_key))
        if going:
            self.assertEqual(facts["stage"], "value")
            for number in range(len(vault.values)):
                going, _ = step("value", lambda: vault.read_value(number))
                if not going:
                    self.assertEqual(number, facts["value"])
                    break
        self.assertFalse(going, "the file was not refused")

    def test_every_file(self):
        files = sorted(VECTORS.glob("*.vault"))
        self.assertGreaterEqual(len(files), 170)
        for path in files:
            with self.subTest(path.stem):
                facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                data = path.read_bytes()
                if "refused" in facts:
                    self.check_refused(data, facts)
                else:
                    vault, _ = open_bytes(data, make_vectors.key_source(facts["open"]), facts["purpose"],
                                          facts["open"].get("slot"))
                    self.assertEqual(vault.describe(with_values=True), facts["expect"])

    def test_every_json_has_a_file(self):
        self.assertEqual({path.stem for path in VECTORS.glob("*.json")},
                         {path.stem for path in VECTORS.glob("*.vault")})

    def test_every_json_says_what_the_file_shows_and_what_to_expect(self):
        for path in VECTORS.glob("*.json"):
            facts = json.loads(path.read_text(encoding="utf-8"))
            with self.subTest(path.stem):
                self.assertGreater(len(facts["about"]), 5)
                self.assertEqual(facts.keys() - {"value"}, {"about", "open", "purpose"}
                                 | ({"refused", "stage"} if "refused" in facts else {"expect"}))

    def test_files_are_what_the_script_makes(self):
        made = make_vectors.make_all()
        for name, data in made.items():
            self.assertEqual((VECTORS / name).read_bytes(), data, name)
        self.assertEqual(made, make_vectors.make_all())

    def test_most_are_negative_and_all_are_small(self):
        refused = [facts for _, _, facts, _ in make_vectors.VECTORS if "refused" in facts]
        self.assertGreaterEqual(len(refused), 0.8 * len(make_vectors.VECTORS))
        self.assertLess(sum(len(data) for data in make_vectors.make_all().values()), 1024 * 1024)


def open_whatever_it_commits_to(key, label, context, sealed):
    """What a reader does that knows AES-GCM and no commitment."""
    okm = keys.message_key(key, label, context, sealed[:32])
    try:
        return AESGCM(okm[:32]).decrypt(okm[32:44], sealed[64:], b"")
    except keys.InvalidTag:
        raise keys.SealBroken from None


class TwoKeys(unittest.TestCase):
    """The vectors with a message of two keys are what they say: only the commitment stands against them."""

    def opened(self, name):
        facts = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
        source = make_vectors.key_source(facts["open"])
        return open_bytes((VECTORS / f"{name}.vault").read_bytes(), source, position=facts["open"]["slot"])

    def refused_with_the_commitment_and_without(self, name, *without):
        with self.assertRaises((keys.WrongKey, keys.Damaged)):
            self.opened(name)
        with patch.object(reader, "open_sealed", open_whatever_it_commits_to), self.assertRaises(without):
            self.opened(name)

    def test_the_value_of_two_ids_is_two_values_for_a_reader_without_the_commitment(self):
        with self.assertRaises(keys.Damaged):
            self.opened("value_of_two_ids")
        with patch.object(reader, "open_sealed", open_whatever_it_commits_to):
            _, (first, second) = self.opened("value_of_two_ids")
        self.assertEqual((len(first), len(second)), (60, 60))
        self.assertNotEqual(first, second)

    def test_the_slot_of_two_keys_unwraps_for_a_reader_without_the_commitment(self):
        self.refused_with_the_commitment_and_without("slot_of_two_keys", keys.Damaged)

    def test_the_index_of_two_root_keys_opens_for_a_reader_without_the_commitment(self):
        # What it opens to under the other root key is noise, and noise is no schema.
        self.refused_with_the_commitment_and_without("index_of_two_root_keys", keys.Newer)

    def test_the_tag_is_that_of_aes_gcm(self):
        for size in (0, 1, 16, 33, 4096):
            okm, plaintext = hashlib.sha512(bytes([size % 251])).digest() + bytes(12), bytes(range(256)) * 16
            sealed = AESGCM(okm[:32]).encrypt(okm[32:44], plaintext[:size], b"")
            stream = two_keys.key_stream(okm, size)
            self.assertEqual(two_keys.xor(plaintext[:size], stream) + two_keys.tag(okm, sealed[:-16]), sealed)


class Tampering(unittest.TestCase):
    """The golden file, changed without any key: nothing of it opens."""
    source = keys.from_slot_key(b"\x11" * 32)

    def refused(self, data, *kinds):
        with self.assertRaises(reader.VaultError) as caught:
            open_bytes(data, self.source)
        if kinds:
            self.assertIn(caught.exception.kind, kinds)

    def test_every_flipped_bit(self):
        for at in range(len(GOLDEN)):
            for bit in range(8):
                changed = bytearray(GOLDEN)
                changed[at] ^= 1 << bit
                self.refused(bytes(changed))

    def test_every_truncation(self):
        for length in range(len(GOLDEN)):
            self.refused(GOLDEN[:length], "truncated")

    def test_appended_bytes(self):
        for count in (1, 16, 64, 144, 4096):
            self.refused(GOLDEN + bytes(count), "damaged")
            self.refused(GOLDEN + GOLDEN[-count:], "damaged")

    def test_removed_and_inserted_bytes(self):
        for at in range(0, len(GOLDEN), 37):
            self.refused(GOLDEN[:at] + GOLDEN[at + 1:])
            self.refused(GOLDEN[:at] + b"\0" + GOLDEN[at:])

    def test_swapped_values(self):
        start, size = len(GOLDEN) - 3 * 144, 144
        values = [GOLDEN[start + n * size:start + (n + 1) * size] for n in range(3)]
        for order in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 0, 2)):
            self.refused(GOLDEN[:start] + b"".join(values[n] for n in order), "damaged")


class Hostile(unittest.TestCase):
    """Contents that only somebody with the key could have made, beyond those of the vector files."""

    def refused(self, make, *kinds):
        draft = make_vectors.Draft("hostile")
        data = make(draft)
        with self.assertRaises(reader.VaultError) as caught:
            open_bytes(data, keys.from_slot_key(make_vectors.SLOT_KEY))
        self.assertIn(caught.exception.kind, kinds)

    def test_lengths_in_the_index(self):
        """Hostile numbers in place of each count and length of the body: refused, and without much memory."""
        original = make_vectors.Draft("hostile").encode().body
        # Counts and lengths of the body, found by their place: scopes, tenant, workspace, values, name, bindings.
        places = [0, 9, 24, 35, 47, len(original) - 8]
        tracemalloc.start()
        for at in places:
            for length in (2 ** 64 - 1, 2 ** 63, 2 ** 40, 2 ** 32, 2 ** 31, 65_536):
                def make(draft):
                    draft.encode()
                    draft.body = original[:at] + struct.pack("<Q", length) + original[at + 8:]
                    return draft.finish()
                self.refused(make, "damaged")
        self.assertLess(tracemalloc.get_traced_memory()[1], 2_000_000)
        tracemalloc.stop()

    def test_lengths_in_a_connection(self):
        """The same in place of each count and length of a connection."""
        def connected(draft):
            make_vectors.connected(draft)
            return draft.encode().body
        original = connected(make_vectors.Draft("hostile"))
        start = len(original) - len(writer.encode_connection(*make_vectors.connected(make_vectors.Draft("hostile"))))
        # The vector, then tenant, workspace, id, label, secret, settings, and the texts of the first setting.
        places = [start + at for at in (-8, 1, 16, 27, 42, 57, 70, 78, 93)]
        tracemalloc.start()
        for at in places:
            self.assertLess(int.from_bytes(original[at:at + 8], "little"), 16)
            for length in (2 ** 64 - 1, 2 ** 63, 2 ** 40, 2 ** 32, 2 ** 31, 65_536):
                def make(draft):
                    connected(draft)
                    draft.body = original[:at] + struct.pack("<Q", length) + original[at + 8:]
                    return draft.finish()
                self.refused(make, "too_large" if at == places[0] else "damaged")
        self.assertLess(tracemalloc.get_traced_memory()[1], 2_000_000)
        tracemalloc.stop()

    def test_sealed_lengths(self):
        for length, kind in ((0, "damaged"), (79, "damaged"), (80, "damaged"), (143, "damaged"), (145, "damaged"),
                             (208, "truncated"), (1_048_720, "truncated"), (1_048_784, "too_large"),
                             (2 ** 32 - 1, "too_large")):
            def make(draft):
                draft.seal().entries[0][5] = length
                return draft.finish()
            self.refused(make, kind)

    def test_header_numbers(self):
        for offset, size, numbers in ((16, 4, (0, 95, 255, 257, 4096, 2 ** 32 - 1)),
                                      (52, 8, (0, 80, 4096, 4175, 4177, 8272, 2 ** 27 + 80, 2 ** 63, 2 ** 64 - 1)),
                                      (60, 4, (0, 2, 16, 17, 2 ** 32 - 1)),
                                      (10, 2, (0,)), (12, 1, (0,)), (36, 8, (0,)), (44, 8, (0,)),
                                      (64, 2, (0, 6, 65_535)), (66, 2, (1,))):
            for number in numbers:
                self.refused(lambda draft: draft.patched(offset, number.to_bytes(size, "little")),
                             "damaged", "too_large", "truncated")

    def test_purposes(self):
        for number, kind in ((2, "wrong_purpose"), (3, "wrong_purpose"), (4, "newer"), (255, "newer")):
            self.refused(lambda draft: draft.patched(12, bytes([number])), kind)

    def test_versions_of_suite_and_schema(self):
        def suite_zero(draft):
            draft.head.suite = 0
            return draft.finish()

        def schema_zero(draft):
            draft.index = writer.encode_index(draft.encode().body, schema=0)
            return draft.finish()
        self.refused(suite_zero, "damaged")
        self.refused(schema_zero, "damaged")

    def test_value_above_its_limit(self):
        """The padding of the largest value has room for a larger one."""
        for length, refused in ((1_048_576, False), (1_048_577, True), (1_048_636, True)):
            def make(draft):
                draft.seal([writer.encode_value(b"v" * length)])
                return draft.finish()
            if refused:
                self.refused(make, "damaged")
            else:
                open_bytes(make(make_vectors.Draft("largest")), keys.from_slot_key(make_vectors.SLOT_KEY))

    def test_costs(self):
        for costs in ((65_535, 3, 1), (65_536, 2, 1), (65_536, 0, 1), (65_536, 3, 0)):
            self.refused(lambda draft: draft.slots.append(draft.costs("second", *costs)) or draft.finish(), "damaged")
        for costs in ((65_536, 3, 17), (65_536, 65, 1), (1_048_577, 3, 1), (2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)):
            self.refused(lambda draft: draft.slots.append(draft.costs("second", *costs)) or draft.finish(), "too_large")

    def test_names(self):
        bad = ["", "=", "A=", "\0", "A\n", "A\x7f", "A\x9f", "A\u00adB", "A\u061cB", "\u200b", "A\u202eB", "A\u2066B",
               "\ufeffA", "A\ufff9", "A\U000e0001B", "A\U000e0fff", " A", "A ", "\u00a0A", "A\u1680", "\u3000"]
        for name in bad:
            def make(draft):
                draft.seal().entries[0][1] = name.encode()
                return draft.finish()
            with self.subTest(ascii(name)):
                self.refused(make, "damaged")
        good = ["A", "A B", "a.b/c", "\u00e9", "e\u0301", "a\u200ab", "\ufff8", "\ufffc", "\U000e1000", "\U0001f511"]
        for name in good:
            with self.subTest(ascii(name)):
                writer.compose(bytes(32), [writer.Slot(2, bytes(32))], [writer.Secret("t", "w", name, 1, 0, b"")])

    def test_ids(self):
        for name in (b"", b".a", b"-a", b"_a", b"a b", b"a/b", b"a\n", "\u00e9".encode(), b"\xff"):
            for scope in ((0, name, b"web"), (0, b"default", name)):
                def make(draft):
                    draft.seal().scopes = [scope]
                    return draft.finish()
                self.refused(make, "damaged")

    def test_file_above_its_limit(self):
        class Sparse(io.BytesIO):
            def seek(self, offset, whence=0):
                return 268_435_457 if whence == 2 else super().seek(offset)
        with self.assertRaises(reader.TooLarge):
            reader.Vault(Sparse(GOLDEN))


class KeySources(unittest.TestCase):
    def test_key_text(self):
        key = bytes(range(32))
        text = writer.key_text(key)
        self.assertEqual(len(text), 5 + 48)
        for end in ("", "\n", "\r\n"):
            self.assertEqual(keys.from_key_text(text + end)[1](None), key)
        for other in (text + "\r", text + "\n\n", " " + text, text + " ", text[:-1], text + "A", text.upper()):
            with self.assertRaises(keys.BadKeyText):
                keys.from_key_text(other)
        for at in range(len(text) - 1):
            for other in "A_b9=\n":
                if text[at] != other:
                    with self.assertRaises(keys.BadKeyText):
                        keys.from_key_text(text[:at] + other + text[at + 1:])

    def test_recovery_code(self):
        for raw in (bytes(16), b"\xff" * 16, bytes(range(16)), make_vectors.RECOVERY_BYTES):
            code = writer.recovery_code(raw)
            self.assertRegex(code, r"\A[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){5}\Z")
            typed = code.lower().replace("-", " ").replace("1", "i").replace("0", "o")
            self.assertEqual(keys.recovery_bytes(code), raw)
            self.assertEqual(keys.recovery_bytes(typed), raw)
            for at in range(len(code)):
                for other in "7XU":
                    if code[at] not in ("-", other):
                        with self.assertRaises(keys.BadKeyText):
                            keys.recovery_bytes(code[:at] + other + code[at + 1:])
            for other in (code[:-1], code + "0", code.replace("-", "\u2013", 1), code + "\u00a0"):
                with self.assertRaises(keys.BadKeyText):
                    keys.recovery_bytes(other)

    def test_seed_file(self):
        content = writer.seed_file(b"\x22" * 32, b"build-1")
        self.assertEqual(keys.from_seed_file(content)[0], {4})
        for at in range(len(content)):
            for bit in range(8):
                changed = bytearray(content)
                changed[at] ^= 1 << bit
                with self.assertRaises(keys.BadKeyText):
                    keys.from_seed_file(bytes(changed))
        for host in (b"", b"Build", b"a.b", b"a" * 256, b"a\nb", b"\xff", "\u0085".encode()):
            with self.assertRaises(keys.BadKeyText):
                keys.from_seed_file(writer.seed_file(b"\x22" * 32, host))


if __name__ == "__main__":
    unittest.main()
