//! Frames that were damaged by chance, for everybody who throws them at something.

const PIECES: [&str; 16] = [
    "[", "]", "{", "}", "\"", ",", ":", "null", "\\u0000", "\\ud800", "1e999", "-0", "[[[[",
    "\u{0}", "é", "0.1",
];

/// One of these frames, changed in up to four places.
pub(crate) fn mangled(random: &mut fastrand::Rng, seeds: &[impl AsRef<str>]) -> String {
    let seed = seeds[random.usize(..seeds.len())].as_ref();
    let mut text: Vec<char> = seed.chars().collect();
    for _ in 0..random.usize(..5) {
        let place = random.usize(..=text.len());
        match random.u8(..5) {
            0 => text.truncate(place),
            1 if place < text.len() => {
                text.remove(place);
            }
            2 if place < text.len() => text[place] = random.char(' '..='~'),
            3 => {
                let piece: Vec<char> = PIECES[random.usize(..PIECES.len())].chars().collect();
                text.splice(place..place, piece);
            }
            _ => {
                let end = (place + random.usize(..20)).min(text.len());
                let copy: Vec<char> = text[place..end].to_vec();
                text.splice(place..place, copy);
            }
        }
    }
    text.into_iter().collect()
}
