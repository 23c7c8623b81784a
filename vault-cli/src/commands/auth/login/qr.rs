//! An address as a picture of half blocks, two rows of it in one line, with the quiet zone that readers need.

use qrcode::{Color, EcLevel, QrCode};

/// A QR code that can be shown on a terminal.
#[derive(Debug)]
pub(super) struct QrPicture {
    rows: Vec<String>,
}

impl QrPicture {
    /// Draws an address; `None` if it is too long.
    pub(super) fn of(address: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
        let (width, colors) = (code.width(), code.to_colors());
        let is_dark = |column: usize, row: usize| {
            let (column, row) = (column.checked_sub(QUIET), row.checked_sub(QUIET));
            let inner = column.zip(row).filter(|(column, row)| *column < width && *row < width);
            inner.is_some_and(|(column, row)| colors[row * width + column] == Color::Dark)
        };
        let size = width + 2 * QUIET;
        let line = |row: usize| {
            (0..size).map(|column| half_blocks(is_dark(column, row), is_dark(column, row + 1))).collect()
        };
        Some(Self { rows: (0..size).step_by(2).map(line).collect() })
    }

    /// Returns the lines.
    pub(super) fn rows(&self) -> &[String] {
        &self.rows
    }

    /// Returns how many columns the picture takes, with its margin.
    pub(super) fn columns(&self) -> usize {
        self.rows.first().map_or(0, |row| row.chars().count()) + MARGIN
    }
}

const fn half_blocks(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// Modules of light around the code (ISO/IEC 18004 §5.3.8).
const QUIET: usize = 4;
/// What the terminal indents a picture by.
const MARGIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_finder_patterns_and_light_all_around() {
        let picture = QrPicture::of("https://id.example/device?user_code=WDJB-MJHT").unwrap();
        let rows = picture.rows();
        let width = rows[0].chars().count();
        assert_eq!((rows.len(), picture.columns()), (width.div_ceil(2), width + MARGIN));
        assert!(rows[..2].iter().chain(&rows[rows.len() - 2..]).all(|row| row.trim().is_empty()));
        assert!(rows.iter().all(|row| row.starts_with("    ") && row.ends_with("    ")));
        // The upper left corner: seven dark modules, then in the rows below a frame around a square.
        assert!(rows[2].starts_with("    █▀▀▀▀▀█ "), "{}", rows[2]);
        assert!(rows[3].starts_with("    █ ███ █ "), "{}", rows[3]);
    }

    #[test]
    fn an_address_that_no_code_holds_has_no_picture() {
        assert!(QrPicture::of(&"x".repeat(3_000)).is_none());
    }
}
