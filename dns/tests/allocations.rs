//! Answering allocates nothing, whatever the answer, and a name that is served costs little.

mod asking;

use asking::{Ask, zone};
use seawall_dns::{
    AlwaysUp, Client, DynamicRecord, HealthId, Out, Policy, RType, Target, Transport, Verdict,
    Zones, answer,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has taken and not given back.
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches only thread-local integers, which
// neither allocate nor have a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        BYTES.with(|n| n.set(n.get() + layout.size() as isize));
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.with(|n| n.set(n.get() - layout.size() as isize));
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_answer_allocates() {
    let mut lines = String::from(
        "www A 192.0.2.1\nc CNAME www\ndc CNAME dyn\n*.w MX 1 www\nsub NS ns.sub\nns.sub A 192.0.2.2\nd DNAME w\n@ MX 1 www\n",
    );
    for i in 0..100 {
        lines += &format!("big A 198.51.100.{i}\n");
    }
    let mut zone = zone(&lines);
    let targets = vec![Target::new([192, 0, 2, 3].into(), Some(HealthId(0)))];
    let record = DynamicRecord::new(
        &String::from("dyn"),
        RType::A,
        30,
        Policy::Failover,
        targets,
    );
    zone.add_dynamic(record).unwrap();
    let zones = Zones::new(vec![zone]);
    let questions = [
        ("www", "A"),
        ("www", "MX"),
        ("nope", "A"),
        ("c", "A"),
        ("c", "TXT"),
        ("dc", "A"),
        ("dyn", "A"),
        ("x.y.w", "MX"),
        ("a.sub", "A"),
        ("x.d", "MX"),
        ("big", "A"),
        ("www", "ANY"),
        ("www", "AXFR"),
    ];
    let mut buffer = vec![0; 65_535];
    for (name, qtype) in questions {
        for question in [
            Ask::new(&format!("{name}.example.test"), qtype),
            Ask::new(&format!("{name}.example.test"), qtype)
                .edns(4096)
                .tcp(),
        ] {
            let query = question.bytes();
            let client = Client {
                addr: [127, 0, 0, 1].into(),
                transport: question.transport,
                health: &AlwaysUp,
                guard: None,
            };
            let before = ALLOCATIONS.get();
            let verdict = answer(&zones, &query, &client, &mut Out::new(&mut buffer));
            assert_eq!(ALLOCATIONS.get() - before, 0, "{name} {qtype}");
            assert!(matches!(verdict, Verdict::Reply(_)));
        }
    }
    assert_eq!(Transport::Udp as usize, 0);
}

#[test]
fn a_name_with_its_answers_costs_less_than_three_hundred_bytes() {
    const HOSTS: usize = 20_000;
    let before = BYTES.get();
    let mut lines = String::new();
    for i in 0..HOSTS {
        lines += &format!("host{i:06} A 198.51.{}.{}\n", i >> 8 & 255, i & 255);
        if i % 2 == 0 {
            lines += &format!("host{i:06} AAAA 2001:db8::{i:x}\n");
        }
        if i % 10 == 0 {
            lines += &format!("alias{i:06} CNAME host{i:06}\n");
        }
    }
    let zones = Zones::new(vec![zone(&lines)]);
    drop(lines);
    let each = (BYTES.get() - before) as usize / (HOSTS + HOSTS / 10);
    assert!((100..300).contains(&each), "{each} bytes");
    assert_eq!(zones.len(), 1);
}
