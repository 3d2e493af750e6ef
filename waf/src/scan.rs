//! The scan: each distinct transformed value once through the union of its class.

use crate::byteset::ByteSet;
use crate::program::{Class, Part, Program, Source};
use crate::scratch::{Hit, Scratch};
use crate::transform::Buffers;

/// Scans the members from index `from` on, and notes which rules have to look at which of them.
pub(crate) fn scan(program: &Program, scratch: &mut Scratch, from: usize) {
    let mut variants = Variants::default();
    for index in from..scratch.store.len() {
        let Some(member) = scratch.store.member(index).copied() else {
            continue;
        };
        for part in [Part::Value, Part::Name] {
            if !program.classes.any(member.source, part)
                || (part == Part::Name && is_single(member.source))
            {
                continue;
            }
            let name = scratch.store.part(&member, Part::Name);
            let Some(class) = program.classes.of(member.source, part, name) else {
                continue;
            };
            let text = scratch.store.part(&member, part);
            let text = text.get(..program.limits.value_bytes_max).unwrap_or(text);
            let Some(cache) = scratch.unions.get_mut(class.union) else {
                continue;
            };
            let Some(union) = program.unions.get(class.union) else {
                continue;
            };
            let cache = cache.get_or_insert_with(|| union.cache());
            cache.clear();
            variants.each(program, class, text, &mut scratch.run.buffers, |variant| {
                union.scan(cache, variant)
            });
            for pattern in cache.found.iter() {
                for rule in class.rules.get(pattern.as_usize()).into_iter().flatten() {
                    scratch.hits.push(Hit {
                        rule: *rule,
                        member: index as u32,
                        part,
                    });
                    if let Some(word) = scratch.candidates.get_mut(*rule as usize / 64) {
                        *word |= 1 << (rule % 64);
                    }
                }
            }
        }
    }
    scratch.hits.sort_unstable();
}

/// Whether a source has one member, without a name.
fn is_single(source: Source) -> bool {
    !matches!(
        source,
        Source::Headers | Source::Cookies | Source::ArgsGet | Source::ArgsPost
    )
}

/// The distinct forms that the transformation chains of a class give to a value.
#[derive(Default)]
struct Variants {
    /// The forms that differ from the value itself, one after the other.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Variants {
    /// Calls `scan` with each form that could match.
    fn each(
        &mut self,
        program: &Program,
        class: &Class,
        text: &[u8],
        buffers: &mut Buffers,
        mut scan: impl FnMut(&[u8]),
    ) {
        let set = ByteSet::of(text);
        let chains = || class.chains.iter().filter_map(|i| program.chains.get(*i));
        // Most values have nothing that any pattern needs, and nothing that a chain could make it of.
        let reach = chains().fold(ByteSet::default(), |all, chain| {
            all.union(chain.reach(&set))
        });
        if !class.gate.admits(&reach, usize::MAX) {
            return;
        }
        self.bytes.clear();
        self.ends.clear();
        let mut plain = false;
        for chain in chains() {
            let Some(variant) = chain.apply(text, &set, buffers) else {
                plain = true;
                continue;
            };
            if self.known(variant) {
                continue;
            }
            self.bytes.extend_from_slice(variant);
            self.ends.push(self.bytes.len());
            if class.gate.admits(&ByteSet::of(variant), variant.len()) {
                scan(variant);
            }
        }
        if plain && class.gate.admits(&set, text.len()) {
            scan(text);
        }
    }

    fn known(&self, variant: &[u8]) -> bool {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .any(|(start, end)| self.bytes.get(start..*end) == Some(variant))
    }
}
