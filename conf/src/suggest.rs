//! "Did you mean": the nearest of the names that would have been right.

/// Names longer than this are not compared: nobody mistypes a whole paragraph.
const COMPARED_CHARS_MAX: usize = 64;

/// Words from this many letters on are taken for the beginning of a longer one.
const BEGINNING_CHARS_MIN: usize = 3;

/// The candidate nearest to `word`, if it is near enough to have been meant: at most a third of the letters differ. One that
/// begins with all of `word` and has at most two letters more is nearer than one with a letter wrong: `rout` is `routes`.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = word.chars().count();
    if length == 0 || length > COMPARED_CHARS_MAX {
        return None;
    }
    let limit = (length / 3).max(1);
    let word = word.to_lowercase();
    let far = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let more = candidate.chars().count().abs_diff(length);
        if length >= BEGINNING_CHARS_MIN && more <= 2 && candidate.starts_with(&word) {
            return Some((0, more));
        }
        let far = (more <= limit).then(|| distance(&word, &candidate))?;
        (far <= limit).then_some((far, more))
    };
    let near = candidates.into_iter().filter_map(|c| Some((far(c)?, c)));
    near.min_by_key(|(far, _)| *far).map(|(_, c)| c)
}

/// The help for a wrong word: the nearest right one, or all of them where they are few.
pub(crate) fn hint(word: &str, candidates: &[&str]) -> Option<String> {
    if let Some(found) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{found}`?"));
    }
    (!candidates.is_empty() && candidates.len() <= 12).then(|| {
        format!(
            "possible here: {}",
            candidates
                .iter()
                .map(|c| format!("`{c}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    })
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (last[j] + 1)
                .min(row[j - 1] + 1)
                .min(last[j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["pools", "sites", "listen", "metrics"];
        assert_eq!(nearest("poools", names), Some("pools"));
        assert_eq!(nearest("sties", names), Some("sites"));
        assert_eq!(nearest("Listen", names), Some("listen"));
        assert_eq!(nearest("backend", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("rout", ["root", "routes"]), Some("routes"));
        assert_eq!(nearest("root", ["roots", "root"]), Some("root"));
    }
}
