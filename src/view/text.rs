//! Captions in a small stroke font of our own, drawn with the renderer's lines.

use crate::geometry::Pixel;
use crate::render::{Colour, Stroke};

/// Units of the glyph grid: baseline and height of capital letters above it.
const BASELINE: u32 = 4;
const CAPITAL: f32 = 12.0;

/// Space between two glyphs and width of a blank, grid units.
const GAP: f32 = 3.5;
const BLANK: f32 = 5.0;

/// Half the thickness of a stroke as a part of the height of capital letters.
const WEIGHT: f32 = 0.065;

/// Glyphs as polylines; each point is two base-36 digits, column and row (rows count upward, the
/// baseline is 4, small letters reach 12, capitals 16). The width of a glyph is its last column.
const GLYPHS: &[(char, &str)] = &[
    ('0', "24 64 86 8e 6g 2g 0e 06 24"),
    ('1', "0d 4g 44,14 74"),
    ('2', "0e 2g 6g 8e 8b 04 84"),
    ('3', "0e 2g 6g 8e 8c 6a 3a,6a 88 86 64 24 06"),
    ('4', "64 6g 07 87"),
    ('5', "7g 1g 0a 2b 6b 89 86 64 24 06"),
    ('6', "7g 4g 2e 0a 06 24 64 86 88 6a 2a 08"),
    ('7', "0g 8g 34"),
    ('8', "2a 0c 0e 2g 6g 8e 8c 6a 2a 08 06 24 64 86 88 6a"),
    ('9', "14 44 66 8a 8e 6g 2g 0e 0c 2a 6a 8c"),
    ('a', "8c 84,8a 6c 2c 0a 06 24 64 86"),
    ('b', "0g 04,0a 2c 6c 8a 86 64 24 06"),
    ('c', "7a 6c 2c 0a 06 24 64 76"),
    ('d', "8g 84,8a 6c 2c 0a 06 24 64 86"),
    ('e', "08 88 8a 6c 2c 0a 06 24 64 76"),
    ('f', "5g 4g 2e 24,0c 5c"),
    ('g', "8c 82 60 20 01,8a 6c 2c 0a 06 24 64 86"),
    ('h', "0g 04,0a 2c 6c 8a 84"),
    ('i', "0c 04,0g 0g"),
    ('j', "3c 32 10 00,3g 3g"),
    ('k', "0g 04,7c 08,3a 74"),
    ('l', "0g 06 24"),
    ('m', "04 0c,0a 2c 4c 6a 64,6a 8c ac ca c4"),
    ('n', "04 0c,0a 2c 6c 8a 84"),
    ('o', "24 64 86 8a 6c 2c 0a 06 24"),
    ('p', "0c 00,0a 2c 6c 8a 86 64 24 06"),
    ('q', "8c 80,8a 6c 2c 0a 06 24 64 86"),
    ('r', "04 0c,0a 2c 5c"),
    ('s', "7b 6c 1c 0b 09 18 68 77 75 64 14 05"),
    ('t', "2f 26 44 54,0c 5c"),
    ('u', "0c 06 24 64 86,8c 84"),
    ('v', "0c 44 8c"),
    ('w', "0c 34 6b 94 cc"),
    ('x', "0c 74,04 7c"),
    ('y', "0c 44,8c 20 00"),
    ('z', "0c 7c 04 74"),
    ('A', "04 5g a4,28 88"),
    ('B', "04 0g 6g 8e 8c 6a 0a,6a 98 96 74 04"),
    ('C', "9e 7g 2g 0e 06 24 74 96"),
    ('D', "04 0g 6g 9d 97 64 04"),
    ('E', "8g 0g 04 84,0a 6a"),
    ('F', "8g 0g 04,0a 6a"),
    ('G', "9e 7g 2g 0e 06 24 74 96 9a 5a"),
    ('H', "0g 04,9g 94,0a 9a"),
    ('I', "0g 04"),
    ('J', "6g 66 44 24 06"),
    ('K', "0g 04,8g 08,3b 84"),
    ('L', "0g 04 74"),
    ('M', "04 0g 58 ag a4"),
    ('N', "04 0g 94 9g"),
    ('O', "24 74 96 9e 7g 2g 0e 06 24"),
    ('P', "04 0g 6g 8e 8b 69 09"),
    ('Q', "24 74 96 9e 7g 2g 0e 06 24,67 a3"),
    ('R', "04 0g 6g 8e 8b 69 09,59 84"),
    ('S', "8e 6g 2g 0e 0c 2a 6a 88 86 64 24 06"),
    ('T', "0g 8g,4g 44"),
    ('U', "0g 06 24 74 96 9g"),
    ('V', "0g 54 ag"),
    ('W', "0g 34 7e b4 eg"),
    ('X', "0g 84,04 8g"),
    ('Y', "0g 4a 8g,4a 44"),
    ('Z', "0g 8g 04 84"),
    ('.', "04 04"),
    (',', "14 02"),
    (':', "05 05,0b 0b"),
    (';', "1b 1b,14 02"),
    ('-', "09 59"),
    ('_', "03 83"),
    ('/', "03 6h"),
    ('\\', "0h 63"),
    ('%', "04 9g,1g 3g 4f 4d 3c 1c 0d 0f 1g,68 88 97 95 84 64 55 57 68"),
    ('#', "24 4g,64 8g,08 98,0c 9c"),
    ('(', "3h 0d 07 33"),
    (')', "0h 3d 37 03"),
    ('[', "3h 0h 03 33"),
    (']', "0h 3h 33 03"),
    ('+', "09 89,45 4d"),
    ('=', "07 87,0b 8b"),
    ('<', "8d 09 85"),
    ('>', "0d 89 05"),
    ('|', "0h 03"),
    ('\'', "0g 0d"),
    ('"', "0g 0d,3g 3d"),
    ('!', "0g 08,04 04"),
    ('?', "0e 2g 6g 8e 8c 49 48,44 44"),
    ('*', "4f 49,1e 7a,1a 7e"),
    ('°', "1g 3g 4f 4d 3c 1c 0d 0f 1g"),
    ('·', "0a 0a"),
];

/// Stands for every character without a glyph.
const UNKNOWN: &str = "04 0g 8g 84 04";

/// Adds `words` to the strokes: `start` is the left end of the baseline, `height` the height of
/// capital letters in pixels.
pub(super) fn write(strokes: &mut Vec<Stroke>, start: Pixel, height: f32, colour: Colour, words: &str) {
    let unit = height / CAPITAL;
    let mut left = start.x;
    for character in words.chars() {
        let glyph = glyph(character);
        for line in glyph.split(',').filter(|line| !line.is_empty()) {
            let points: Vec<Pixel> = points(line)
                .map(|(x, y)| Pixel::new(left + x * unit, start.y - (y - BASELINE as f32) * unit))
                .collect();
            for ends in points.windows(2) {
                strokes.push(Stroke::line(ends[0], ends[1], WEIGHT * height, colour));
            }
        }
        left += advance(character) * unit;
    }
}

/// Width of `words` in pixels.
pub(super) fn width(words: &str, height: f32) -> f32 {
    let units: f32 = words.chars().map(advance).sum();
    (units - GAP).max(0.0) * height / CAPITAL
}

fn glyph(character: char) -> &'static str {
    if character == ' ' {
        return "";
    }
    GLYPHS.iter().find(|(name, _)| *name == character).map_or(UNKNOWN, |(_, glyph)| glyph)
}

fn points(line: &str) -> impl Iterator<Item = (f32, f32)> {
    line.split(' ').filter_map(|point| {
        let mut digits = point.chars().filter_map(|digit| digit.to_digit(36));
        Some((digits.next()? as f32, digits.next()? as f32))
    })
}

/// Way from the start of a glyph to the start of the next, grid units.
fn advance(character: char) -> f32 {
    let columns = glyph(character).split(',').flat_map(points).map(|(x, _)| x);
    let wide = if character.is_ascii_digit() { 8.0 } else { 0.0 };
    if character == ' ' { BLANK } else { columns.fold(wide, f32::max) + GAP }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glyph_is_made_of_lines_on_the_grid() {
        for (character, glyph) in GLYPHS {
            for line in glyph.split(',') {
                assert_eq!(points(line).count(), line.split(' ').count(), "{character}");
                assert!(points(line).count() >= 2, "{character}");
                assert!(points(line).all(|(x, y)| x <= 14.0 && y <= 17.0), "{character}");
            }
        }
    }

    #[test]
    fn figures_are_all_equally_wide() {
        assert_eq!(width("1.11", 12.0), width("8.88", 12.0));
    }

    #[test]
    fn words_stay_within_their_width() {
        let mut strokes = Vec::new();
        write(&mut strokes, Pixel::new(10.0, 50.0), 14.0, Colour::rgb(0, 0, 0), "right 47 cm");
        let right = strokes.iter().map(|s| s.from.x.max(s.to.x)).fold(0.0, f32::max);
        assert!(right > 60.0 && right <= 10.0 + width("right 47 cm", 14.0) + 1e-3);
    }
}
