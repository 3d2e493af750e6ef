//! The index and the queues against their own books, under random load.

use super::{Memory, Store};
use crate::{
    head::Head,
    key::KeyBuf,
    object::{Body, Meta, Object},
    options::Options,
    policy::{Decision, Profile, Reason},
    testing,
    vary::Vary,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

fn object(path: u8, language: u8, length: usize, time_ms: u64) -> Arc<Object> {
    let mut key = KeyBuf::new();
    key.part(&[path]);
    let response = testing::Head::new(&[("Vary", "accept-language")]);
    let language = language.to_string();
    let request = testing::Head::new(&[("accept-language", language.as_str())]);
    let head = Head::of_response(200, &response.fields(), &[], Profile::Rfc9111, 0);
    let vary = Vary::of(&response.fields(), &request.fields(), false).unwrap();
    let meta = Meta::new(
        head,
        Decision::pass(Reason::Stored),
        vary,
        Default::default(),
        0,
        time_ms,
    );
    let body = Bytes::from(vec![path; length]);
    Arc::new(Object::new(
        key.finish().to_key(),
        meta,
        Body::Pieces(Box::new([body])),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn index_queues_and_counters_agree(
        steps in prop::collection::vec((0..8u8, any::<u8>(), 0..6u8, 0..5000usize), 1..400)
    ) {
        let options = Options { variants_max: 4, shards: 2, ..Options::with_memory(64 << 10) };
        let memory = Memory::new(&options);
        let mut last = None;
        for (time_ms, (action, path, language, length)) in (0..).zip(steps) {
            let object = object(path % 16, language, length, time_ms);
            let request = testing::Head::new(&[("accept-language", &language.to_string())]);
            match action {
                0..4 => {
                    memory.insert(object.clone(), last.as_ref(), 0);
                    last = Some(object);
                }
                4..6 => {
                    if let Some(found) = memory.find(object.key.as_ref(), &request.fields()) {
                        prop_assert!(found.is_same_variant(&object));
                        prop_assert_eq!(found.key.as_ref(), object.key.as_ref());
                    }
                }
                6 => drop(memory.remove(object.key.as_ref())),
                _ => last.iter().for_each(|last| memory.discard(last)),
            }
            memory.check_invariants();
        }
        memory.clear();
        memory.check_invariants();
        prop_assert_eq!(memory.usage().bytes, 0);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_its_reservation_given_back() {
    let memory = Memory::new(&Options::with_memory(10_000));
    assert!(memory.reserve(9_000));
    assert!(!memory.reserve(2_000));
    assert!(!memory.insert(object(1, 1, 20_000, 0), None, 9_000));
    assert_eq!(memory.usage().bytes, 0);
}

#[test]
fn of_several_that_match_the_newest_is_served() {
    let memory = Memory::new(&Options::default());
    let plain = |time_ms| {
        let old = object(1, 1, 10, time_ms);
        Arc::new(old.renewed(Meta {
            vary: Vary::default(),
            ..old.meta.clone()
        }))
    };
    let request = testing::Head::new(&[("accept-language", "1")]);
    let key = object(1, 1, 0, 0).key.clone();
    for (first, second) in [
        (plain(5), object(1, 1, 10, 4)),
        (object(1, 1, 10, 6), plain(7)),
    ] {
        let newest = if first.response_time_ms() > second.response_time_ms() {
            &first
        } else {
            &second
        };
        memory.insert(first.clone(), None, 0);
        memory.insert(second.clone(), None, 0);
        let found = memory.find(key.as_ref(), &request.fields()).unwrap();
        assert!(Arc::ptr_eq(&found, newest));
        memory.remove(key.as_ref());
    }
}
