//! Words, and how far they are from being right.

use super::Piece;
use std::collections::HashMap;

/// The words of a text: lower case, split as tantivy's default tokenizer splits.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && word.len() <= 40)
        .map(str::to_lowercase)
}

/// Every word that can be found, and how often it occurs.
#[derive(Default)]
pub struct Vocabulary(HashMap<String, u32>);

impl Vocabulary {
    /// Learn a text's words.
    pub fn learn(&mut self, text: &str) {
        for word in words(text) {
            *self.0.entry(word).or_default() += 1;
        }
    }

    /// The spelling under which a word is known: itself, its singular or plural, or the word it begins.
    pub fn knows(&self, word: &str) -> bool {
        self.0.contains_key(word)
            || self.0.contains_key(&singular(word))
            || (word.chars().count() >= 3 && self.0.keys().any(|known| known.starts_with(word)))
    }

    /// The nearest known word, the commoner of two equally near. Short words may be wrong by one letter, long ones by two.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        let allowed = tolerance(word);
        self.0
            .iter()
            .filter_map(|(known, count)| {
                distance(word, known, allowed).map(|d| (d, u32::MAX - count, known))
            })
            .min()
            .map(|(_, _, known)| known.as_str())
    }
}

/// "lamps" for "lamp" and the other way round needs no dictionary here.
pub fn singular(word: &str) -> String {
    word.strip_suffix('s')
        .filter(|rest| rest.len() >= 3)
        .unwrap_or(word)
        .to_owned()
}

/// How many letters of a word may be wrong.
pub fn tolerance(word: &str) -> usize {
    match word.chars().count() {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    }
}

/// Optimal string alignment: insertions, deletions, substitutions, neighbours swapped. `None` beyond `allowed`.
fn distance(a: &str, b: &str, allowed: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = last;
        last = row;
    }
    last.last().copied().filter(|distance| *distance <= allowed)
}

/// A text in pieces: words that begin with one of `wanted` are hits.
pub fn pieces(text: &str, wanted: &[String]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        let rest = part.strip_prefix(word).unwrap_or_default();
        let lower = word.to_lowercase();
        let hit = !lower.is_empty()
            && wanted
                .iter()
                .any(|wanted| lower.starts_with(wanted.as_str()));
        for (text, hit) in [(word, hit), (rest, false)] {
            match pieces.last_mut() {
                _ if text.is_empty() => {}
                Some(last) if last.hit == hit => last.text.push_str(text),
                _ => pieces.push(Piece {
                    text: text.to_owned(),
                    hit,
                }),
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_and_swaps() {
        assert_eq!(distance("lantern", "lantern", 2), Some(0));
        assert_eq!(distance("lantren", "lantern", 2), Some(1));
        assert_eq!(distance("lanten", "lantern", 2), Some(1));
        assert_eq!(distance("navi", "navy", 1), Some(1));
        assert_eq!(distance("mug", "jug", 0), None);
        assert_eq!(distance("", "ab", 2), Some(2));
        assert_eq!(distance("größe", "grösse", 2), Some(2));
    }

    #[test]
    fn the_commoner_of_two_near_words_is_meant() {
        let mut vocabulary = Vocabulary::default();
        vocabulary.learn("stool stool stoop brass");
        assert_eq!(vocabulary.nearest("stoo1"), Some("stool"));
        assert_eq!(vocabulary.nearest("bras5"), Some("brass"));
        assert_eq!(vocabulary.nearest("xyzzy"), None);
        assert!(
            vocabulary.knows("stools") && vocabulary.knows("bra") && !vocabulary.knows("stoolz")
        );
    }

    #[test]
    fn pieces_join_to_the_text_they_came_from() {
        let text = "Wool <b>felt</b> & Tote-bag";
        let found = pieces(text, &["felt".into(), "to".into()]);
        assert_eq!(
            found
                .iter()
                .map(|piece| piece.text.as_str())
                .collect::<String>(),
            text
        );
        let hits: Vec<_> = found
            .iter()
            .filter(|piece| piece.hit)
            .map(|piece| piece.text.as_str())
            .collect();
        assert_eq!(hits, ["felt", "Tote"]);
    }
}
