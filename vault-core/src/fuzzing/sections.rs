//! How an input of several parts is taken apart: each part has its length, two bytes, before it. What is too
//! short gives what it has, so that no input is lost on its form.

/// The parts of an input, front to back.
#[derive(Debug, Clone)]
pub(super) struct Sections<'b>(pub(super) &'b [u8]);

impl<'b> Iterator for Sections<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (section, rest) = rest.split_at(length);
        self.0 = rest;
        Some(section)
    }
}

/// Appends a part, if it is short enough to be one.
pub(super) fn append(input: &mut Vec<u8>, section: &[u8]) -> Option<()> {
    let length = u16::try_from(section.len()).ok()?;
    input.extend_from_slice(&length.to_le_bytes());
    input.extend_from_slice(section);
    Some(())
}
