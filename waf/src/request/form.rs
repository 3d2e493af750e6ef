//! Arguments as forms write them: `a=1&b=two+words`.

use super::{Store, TooManyArgs};
use crate::limits::Limits;
use crate::transform::url_decode;
use crate::variable::Source;

impl Store {
    /// Adds arguments, decoded; a broken escape stays as it is.
    pub(super) fn load_form(
        &mut self,
        source: Source,
        text: &[u8],
        limits: &Limits,
    ) -> Result<(), TooManyArgs> {
        for pair in text
            .split(|b| *b == limits.argument_separator)
            .filter(|pair| !pair.is_empty())
        {
            let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let name = self.decoded(pair.get(..equals).unwrap_or_default());
            let value = self.decoded(pair.get(equals + 1..).unwrap_or_default());
            self.push_arg(source, name, value, limits.args_max)?;
        }
        Ok(())
    }

    fn decoded(&mut self, text: &[u8]) -> super::Place {
        let start = self.buffer.len();
        url_decode(text, &mut self.buffer);
        self.since(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str, max: usize) -> (Vec<(String, String)>, Result<(), TooManyArgs>) {
        let mut store = Store::default();
        let limits = Limits {
            args_max: max,
            ..Limits::default()
        };
        let loaded = store.load_form(Source::ArgsGet, text.as_bytes(), &limits);
        let text = |place| String::from_utf8_lossy(store.text(place)).into_owned();
        (
            store
                .members
                .iter()
                .map(|m| (text(m.name), text(m.value)))
                .collect(),
            loaded,
        )
    }

    #[test]
    fn pairs_are_decoded() {
        let pairs = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            args("a=1&b%3d=x+%27y&c&=d&&e=f=g", 9).0,
            pairs(&[
                ("a", "1"),
                ("b=", "x 'y"),
                ("c", ""),
                ("", "d"),
                ("e", "f=g")
            ])
        );
        assert!(args("", 9).0.is_empty());
    }

    #[test]
    fn one_argument_past_the_limit_is_refused() {
        assert_eq!(args("a&b", 2).1, Ok(()));
        let (kept, refused) = args("a&b&c", 2);
        assert_eq!((kept.len(), refused), (2, Err(TooManyArgs)));
    }
}
