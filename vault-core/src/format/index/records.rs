//! The records of the values. They stay in their encoding and are decoded one at a time, each time that
//! one is asked for: a large vault has many, a command needs few of them, and memory that nobody touches
//! costs nothing.

use std::fmt;
use std::mem;
use std::ops::Range;

use super::check::ValueCheck;
use super::{VALUE_LEN, ValueRecord, decode_next, encode, encode_onto, read_count, too_large};
use crate::format::FormatError;

/// A position in [`Values::changed`] rather than in [`Values::stored`].
const CHANGED: u32 = 1 << 31;

/// Every value of an index, in order: scope, name bytewise, newest version first.
#[derive(Clone, Default)]
pub struct Values<'a> {
    /// The records as they were read, one behind the other.
    stored: &'a [u8],
    /// Encodings of records that were made or changed since.
    changed: Vec<u8>,
    places: Vec<Place>,
    /// The sum of the sizes of all records.
    records_len: usize,
    /// The sum of the sizes of all sealed messages.
    sealed_len: u64,
}

/// Where one record is, and its sealed message.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The offset in [`Values::stored`], or with [`CHANGED`] set, in [`Values::changed`].
    record: u32,
    /// The offset of the message behind the index of the file that was read. An index is at most 128 MiB
    /// and a file 256 MiB, so that 32 bits are enough for both.
    message: u32,
}

impl<'a> Values<'a> {
    /// Reads a count and as many records. What is wrong with them beyond their encoding is told by the
    /// check, whose turn comes later (`FORMAT.md §7.1`).
    pub(super) fn read(rest: &mut &'a [u8]) -> Result<(Self, ValueCheck<'a>), FormatError> {
        let count = read_count(rest, VALUE_LEN)?;
        let mut values = Self { stored: rest, ..Self::default() };
        values.places.reserve_exact(count);
        let mut check = ValueCheck::default();
        for _ in 0..count {
            let record = u32::try_from(values.stored.len() - rest.len()).map_err(|_| too_large())?;
            let message = u32::try_from(values.sealed_len).unwrap_or(u32::MAX);
            values.places.push(Place { record, message });
            let decoded: ValueRecord<'a> = decode_next(rest)?;
            values.sealed_len += u64::from(decoded.sealed_len);
            check.see(&decoded);
        }
        values.records_len = values.stored.len() - rest.len();
        Ok((values, check))
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the record at `position`.
    ///
    /// # Panics
    ///
    /// When there is none at `position`, as a slice does.
    #[must_use]
    pub fn at(&self, position: usize) -> ValueRecord<'_> {
        self.decoded(self.places[position]).0
    }

    /// Returns every record, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = ValueRecord<'_>> + ExactSizeIterator {
        (0..self.len()).map(|position| self.at(position))
    }

    /// Returns the sum of the lengths of all names.
    #[must_use]
    pub const fn names_len(&self) -> usize {
        self.records_len - self.len() * VALUE_LEN
    }

    /// Returns the sum of the sizes of all sealed messages.
    pub(crate) const fn sealed_len(&self) -> u64 {
        self.sealed_len
    }

    /// Returns the offset of the sealed message of `position` behind the index of the file that was read.
    /// It means nothing for a record that was put in later.
    pub(crate) fn message_at(&self, position: usize) -> u64 {
        self.places[position].message.into()
    }

    /// Returns the position of the first record for which `is_before` does not hold, as
    /// [`slice::partition_point`].
    pub(super) fn partition_point(&self, is_before: impl Fn(&ValueRecord<'_>) -> bool) -> usize {
        let is_before = |place: &Place| is_before(&self.decoded(*place).0);
        self.places.partition_point(is_before)
    }

    /// Puts a record in at `position`; the later ones move up.
    pub(crate) fn insert(&mut self, position: usize, record: &ValueRecord<'_>) -> Result<(), FormatError> {
        let (place, before) = (Place { record: self.next_changed()?, message: 0 }, self.changed.len());
        encode_onto(&mut self.changed, record)?;
        self.places.insert(position, place);
        self.records_len += self.changed.len() - before;
        self.sealed_len += u64::from(record.sealed_len);
        Ok(())
    }

    /// Puts records in where the order of scopes and names has them, all in one pass. There is none of
    /// their secrets yet.
    pub(crate) fn insert_all(&mut self, mut records: Vec<ValueRecord<'_>>) -> Result<(), FormatError> {
        records.sort_by_key(ValueRecord::key);
        let Some(first) = records.first() else { return Ok(()) };
        let are_last = self.places.last().is_none_or(|last| self.decoded(*last).0.key() < first.key());
        for record in &records {
            self.insert(self.len(), record)?;
        }
        if are_last {
            return Ok(());
        }
        // Stable, so that the versions of a secret stay in their order; two sorted runs take one pass.
        let mut places = mem::take(&mut self.places);
        places.sort_by(|one, other| self.decoded(*one).0.key().cmp(&self.decoded(*other).0.key()));
        self.places = places;
        Ok(())
    }

    /// Changes the record at `position`.
    pub(crate) fn update(
        &mut self,
        position: usize,
        change: impl FnOnce(&mut ValueRecord<'_>),
    ) -> Result<(), FormatError> {
        let (mut record, before_encoded) = self.decoded(self.places[position]);
        let (before, len_before) = (record.sealed_len, before_encoded.len());
        change(&mut record);
        let (after, encoded) = (record.sealed_len, encode(&record)?);
        self.places[position].record = self.next_changed()?;
        self.changed.extend_from_slice(&encoded);
        self.records_len = self.records_len - len_before + encoded.len();
        self.sealed_len = self.sealed_len - u64::from(before) + u64::from(after);
        Ok(())
    }

    /// Takes records out; the later ones move down.
    pub(crate) fn remove(&mut self, range: Range<usize>) {
        for position in range.clone() {
            let (record, encoded) = self.decoded(self.places[position]);
            let (sealed_len, len) = (u64::from(record.sealed_len), encoded.len());
            self.sealed_len -= sealed_len;
            self.records_len -= len;
        }
        self.places.drain(range);
    }

    /// Returns the size of what [`Self::encode_into`] writes.
    pub(super) const fn encoded_len(&self) -> usize {
        size_of::<u64>() + self.records_len
    }

    /// Fills `room` with the count and every record, as the body of an index has them.
    pub(super) fn encode_into(&self, room: &mut [u8]) {
        let (count, mut room) = room.split_at_mut(size_of::<u64>());
        count.copy_from_slice(&(self.len() as u64).to_le_bytes());
        for place in &self.places {
            let (_, encoded) = self.decoded(*place);
            let (here, after) = room.split_at_mut(encoded.len());
            here.copy_from_slice(encoded);
            room = after;
        }
    }

    /// Returns where the next record that is made or changed will be.
    fn next_changed(&self) -> Result<u32, FormatError> {
        let at = u32::try_from(self.changed.len()).ok().filter(|at| at & CHANGED == 0);
        at.map(|at| at | CHANGED).ok_or_else(too_large)
    }

    /// Returns a record and its encoding.
    fn decoded(&self, place: Place) -> (ValueRecord<'_>, &[u8]) {
        let encoded = match place.record & CHANGED {
            0 => &self.stored[place.record as usize..],
            _ => &self.changed[(place.record & !CHANGED) as usize..],
        };
        let mut after = encoded;
        let record = decode_next(&mut after).expect("a record was decoded or encoded when it came here");
        (record, &encoded[..encoded.len() - after.len()])
    }
}

/// Tests make an index of any records, in any order.
#[cfg(test)]
impl<'r> FromIterator<ValueRecord<'r>> for Values<'static> {
    fn from_iter<I: IntoIterator<Item = ValueRecord<'r>>>(records: I) -> Self {
        let mut values = Self::default();
        records.into_iter().for_each(|record| values.insert(values.len(), &record).unwrap());
        values
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Values<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Values<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::ValueId;

    fn record(name: &str, version: u32) -> ValueRecord<'_> {
        let (id, sha256) = (ValueId::new([7; 16]), [9; 32]);
        ValueRecord { scope: 0, name, version, created: 1, id, sealed_len: 144 + 64 * version, sha256 }
    }

    fn encoded(values: &Values<'_>) -> Vec<u8> {
        let mut room = vec![0xff; values.encoded_len()];
        values.encode_into(&mut room);
        room
    }

    /// What a vector of the same records has to say.
    fn agrees(values: &Values<'_>, model: &[(String, u32)]) {
        assert_eq!((values.len(), values.is_empty()), (model.len(), model.is_empty()));
        assert!(values.iter().eq(model.iter().map(|(name, version)| record(name, *version))));
        assert_eq!(values.names_len(), model.iter().map(|(name, _)| name.len()).sum::<usize>());
        assert_eq!(
            values.sealed_len(),
            model.iter().map(|(_, version)| 144 + 64 * u64::from(*version)).sum::<u64>()
        );
        let bytes = encoded(values);
        let (again, _) = Values::read(&mut &*bytes).unwrap();
        assert_eq!((&again, encoded(&again)), (values, bytes.clone()));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(usize, String, u32),
        Update(usize, u32),
        Remove(usize, usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (any::<usize>(), "[A-Z]{1,9}", 1..9_u32).prop_map(|(at, name, version)| Step::Insert(at, name, version)),
            2 => (any::<usize>(), 1..9_u32).prop_map(|(at, version)| Step::Update(at, version)),
            1 => (any::<usize>(), 0..4_usize).prop_map(|(at, count)| Step::Remove(at, count)),
        ]
    }

    proptest! {
        #[test]
        fn changes_are_those_of_a_vector(
            stored in proptest::collection::vec(("[A-Z]{1,9}", 1..9_u32), 0..9),
            steps in proptest::collection::vec(any_step(), 0..40),
        ) {
            let mut model = stored;
            let made: Values<'_> = model.iter().map(|(name, version)| record(name, *version)).collect();
            let bytes = encoded(&made);
            let (mut values, _) = Values::read(&mut &*bytes).unwrap();
            for step in steps {
                match step {
                    Step::Insert(at, name, version) => {
                        let at = at % (model.len() + 1);
                        values.insert(at, &record(&name, version)).unwrap();
                        model.insert(at, (name, version));
                    }
                    Step::Update(at, version) if !model.is_empty() => {
                        let at = at % model.len();
                        let sealed_len = 144 + 64 * version;
                        values.update(at, |value| *value = ValueRecord { version, sealed_len, ..*value }).unwrap();
                        model[at].1 = version;
                    }
                    Step::Update(..) => {}
                    Step::Remove(at, count) => {
                        let start = at % (model.len() + 1);
                        let range = start..model.len().min(start + count);
                        values.remove(range.clone());
                        model.drain(range);
                    }
                }
                agrees(&values, &model);
            }
        }
    }

    #[test]
    fn values_are_equal_where_every_record_is() {
        let made = |names: &[&'static str]| names.iter().map(|name| record(name, 1)).collect::<Values<'_>>();
        assert_eq!(made(&["A", "B"]), made(&["A", "B"]));
        for other in [made(&["A"]), made(&["A", "C"]), made(&["A", "B", "C"]), Values::default()] {
            assert_ne!(made(&["A", "B"]), other);
        }
    }

    #[test]
    fn a_message_is_where_the_ones_before_end() {
        let made: Values<'_> = [record("A", 1), record("B", 3), record("C", 2)].into_iter().collect();
        let bytes = encoded(&made);
        let (mut values, _) = Values::read(&mut &*bytes).unwrap();
        assert_eq!([0, 1, 2].map(|position| values.message_at(position)), [0, 208, 208 + 336]);
        values.remove(0..1);
        values.update(0, |value| value.scope = 7).unwrap();
        assert_eq!([0, 1].map(|position| values.message_at(position)), [208, 208 + 336]);
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused() {
        let made: Values<'_> = [record("A", 1)].into_iter().collect();
        let mut bytes = encoded(&made);
        for hostile in [2, 1 << 40, u64::MAX] {
            bytes[..8].copy_from_slice(&hostile.to_le_bytes());
            assert!(Values::read(&mut &*bytes).is_err(), "{hostile}");
        }
    }
}
