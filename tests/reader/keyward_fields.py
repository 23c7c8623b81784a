"""Fields of a vault file: numbers, lengths, text, ids, names and orders (§1 and §5 of vault-core/FORMAT.md)."""

import re

from keyward_keys import Damaged, TooLarge

MAX_NAME, MAX_ID, MAX_CONNECTION_ID, MAX_LABEL, MAX_KEY, MAX_SETTING = 256, 64, 63, 256, 64, 4096  # §7
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
CONNECTION_ID = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
# What no name may contain (§5), then what it may not begin or end with: the Unicode property White_Space.
BAD_IN_NAME = re.compile("[=\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                         "\U000e0000-\U000e0fff]")
WHITE_SPACE = ("\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028"
               "\u2029\u202f\u205f\u3000")


class Cursor:
    """Takes fields off bytes. Nothing is allocated for a length before the bytes are known to be there."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left():
            raise Damaged("a length goes past the end")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def text(self):
        raw = self.take(self.number(8))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Damaged("text is not UTF-8") from None

    def count(self, smallest):
        """The count of a vector whose elements have at least `smallest` bytes."""
        count = self.number(8)
        if count * smallest > self.left():
            raise Damaged("a vector goes past the end")
        return count


def ascending(keys, what):
    if any(a >= b for a, b in zip(keys, keys[1:])):
        raise Damaged(f"{what} are not in strictly ascending order")


def within(number, limit):
    if number > limit:
        raise TooLarge(f"{number}, at most {limit} are allowed")
    return number


def checked_id(text):
    within(len(text.encode()), MAX_ID)
    if not ID.fullmatch(text):
        raise Damaged("not a tenant or workspace id")
    return text


def checked_name(name):
    within(len(name.encode()), MAX_NAME)
    if not name or BAD_IN_NAME.search(name) or name.strip(WHITE_SPACE) != name:
        raise Damaged("not a name of a secret")
    return name


def checked_connection_id(text):
    within(len(text.encode()), MAX_CONNECTION_ID)
    if not CONNECTION_ID.fullmatch(text):
        raise Damaged("not the id of a connection")
    return text


def checked_label(label):
    within(len(label.encode()), MAX_LABEL)
    if not label or BAD_IN_NAME.search(label.replace("=", "")) or label.strip(WHITE_SPACE) != label:
        raise Damaged("not a label")
    return label


def checked_setting(key, value):
    within(len(key.encode()), MAX_KEY)
    within(len(value.encode()), MAX_SETTING)
    if not key or BAD_IN_NAME.search(key) or key.strip(WHITE_SPACE) != key:
        raise Damaged("not the key of a setting")
    if BAD_IN_NAME.search(value.replace("=", "")):
        raise Damaged("not the value of a setting")


def padded(length, page):
    return -(-length // page) * page
