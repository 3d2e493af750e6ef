//! Cookies and limits, as a client meets them.

mod asking;

use asking::{Ask, set};
use seawall_dns::{
    AlwaysUp, Client, CookieSecrets, DropReason, Guard, Out, RrlOptions, Transport, Verdict, Zones,
    answer,
};

fn guard(rate: u16) -> Guard {
    let options = RrlOptions {
        rate,
        slip: 2,
        exempt: Vec::new(),
    };
    Guard::new(Some(CookieSecrets::new([3; 16], None)), Some(options))
}

fn ask(
    zones: &Zones,
    guard: &Guard,
    name: &str,
    cookie: &[u8],
    transport: Transport,
) -> Result<Vec<u8>, DropReason> {
    let mut query = Ask::new(name, "A").edns(1232).bytes();
    if !cookie.is_empty() {
        let len = query.len();
        query[len - 2..].copy_from_slice(&(cookie.len() as u16 + 4).to_be_bytes());
        query.extend([0, 10, 0, cookie.len() as u8]);
        query.extend_from_slice(cookie);
    }
    let client = Client {
        addr: [198, 51, 100, 7].into(),
        transport,
        health: &AlwaysUp,
        guard: Some(guard),
    };
    let mut buffer = vec![0; 4096];
    let mut out = Out::new(&mut buffer);
    match answer(zones, &query, &client, &mut out) {
        Verdict::Reply(len) => Ok(out.written(len).to_vec()),
        Verdict::Drop(reason) => Err(reason),
    }
}

/// The cookies at the end of an answer: the client's and ours.
fn cookie(answer: &[u8]) -> Vec<u8> {
    let at = answer.len() - 28;
    assert_eq!(answer[at..at + 4], [0, 10, 0, 24]);
    answer[at + 4..].to_vec()
}

#[test]
fn who_sends_our_cookie_back_is_not_limited() {
    let (zones, guard) = (set("www A 192.0.2.1\n"), guard(10));
    let name = "www.example.test";
    let first = ask(&zones, &guard, name, b"12345678", Transport::Udp).unwrap();
    let ours = cookie(&first);
    assert_eq!(&ours[..8], b"12345678");
    for _ in 0..100 {
        assert!(ask(&zones, &guard, name, &ours, Transport::Udp).is_ok_and(|a| a[2] & 2 == 0));
    }
    let mut forged = ours.clone();
    forged[23] ^= 1;
    let answers = (0..100).map(|_| ask(&zones, &guard, name, &forged, Transport::Udp));
    assert!(answers.filter(|a| a == &Err(DropReason::RateLimit)).count() > 20);
    assert_eq!(
        ask(&zones, &guard, name, b"1234567", Transport::Udp).unwrap()[3] & 15,
        1,
        "a broken cookie"
    );
}

#[test]
fn a_flood_is_cut_off_by_answer_and_a_real_client_gets_through_by_tcp() {
    let (zones, guard) = (set("www A 192.0.2.1\nother A 192.0.2.2\n"), guard(10));
    let ask = |name: &str, transport| ask(&zones, &guard, name, &[], transport);
    let answers: Vec<_> = (0..100)
        .map(|_| ask("www.example.test", Transport::Udp))
        .collect();
    let whole = answers
        .iter()
        .filter(|a| a.as_ref().is_ok_and(|a| a[2] & 2 == 0))
        .count();
    let truncated: Vec<_> = answers.iter().flatten().filter(|a| a[2] & 2 != 0).collect();
    // The clock may turn to the next second once meanwhile.
    assert!((10..=20).contains(&whole), "{whole}");
    assert!((30..=45).contains(&truncated.len()));
    assert!(
        truncated.iter().all(|a| a[6..10] == [0; 4]),
        "nothing but the question"
    );
    assert!(ask("other.example.test", Transport::Udp).is_ok_and(|a| a[2] & 2 == 0));
    assert!(ask("www.example.test", Transport::Tcp).is_ok_and(|a| a[2] & 2 == 0));
    let denied: Vec<_> = (0..100)
        .map(|n| ask(&format!("x{n}.example.test"), Transport::Udp))
        .collect();
    let dropped = denied.iter().filter(|a| a.is_err()).count();
    assert!(
        dropped > 20,
        "what does not exist counts by its zone: {dropped}"
    );
}

#[test]
fn without_a_guard_there_is_no_cookie() {
    let zones = set("www A 192.0.2.1\n");
    let plain = ask(
        &zones,
        &Guard::default(),
        "www.example.test",
        b"12345678",
        Transport::Udp,
    )
    .unwrap();
    assert!(!plain.windows(8).any(|w| w == b"12345678"));
}
