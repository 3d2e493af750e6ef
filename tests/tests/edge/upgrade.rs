//! A newer binary takes over under load: no request, tunnel or question is lost.
//!
//! `SEAWALL_UPGRADES=n` makes it a drill of so many rounds.

use nix::sys::signal::Signal;
use seawall_tests::{
    Edge, Origin, drills, eventually,
    load::{Load, REFUSED},
    process,
};

fn rounds(few: usize) -> usize {
    let asked = std::env::var("SEAWALL_UPGRADES").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(few)
}

fn edge(origin: &Origin) -> Edge {
    Edge::yaml(format!(
        "caches: {{ c: {{ memory: 8MiB, disk: {{ path: @dir@/disk, size: 64MiB }} }} }}
pools: {{ p: {{ servers: [\"{origin}\"] }} }}
sites:
  - host: a.test
    routes:
      - {{ path: /kept, to: p, cache: {{ name: c, default_ttl: 1h }} }}
      - {{ path: /, respond: {{ status: 200, body: \"$pid\" }} }}"
    ))
}

#[test]
fn upgrades_under_load_lose_no_request_no_tunnel_and_no_question() {
    let seen = drills::upgrades(rounds(3));
    println!("{seen:?}");
    assert_eq!((seen.failed, seen.unanswered, seen.unechoed), (0, 0, 0));
    assert_eq!(seen.workers, seen.rounds + 1, "every worker has served");
}

#[test]
fn what_was_cached_on_the_disk_and_purged_stays_so_through_an_upgrade() {
    let origin = Origin::start();
    for name in ["/kept/a", "/kept/b"] {
        origin.serve(name, "", "body");
    }
    let edge = edge(&origin).start();
    let get = |path: &str| edge.get("a.test", path);
    let fetched = |path: &str| {
        let before = origin.hits(path);
        assert_eq!(get(path).text(), "body");
        origin.hits(path) - before
    };
    for name in ["/kept/a", "/kept/b"] {
        // Twice asked for, it goes to the disk.
        (0..3).for_each(|_| drop(get(name)));
    }
    eventually("both on the disk", || {
        (edge.metric("seawall_cache_disk_objects") == 2).then_some(())
    });
    let purged = edge.seawall(&[
        "purge",
        &format!("http://a.test:{}/kept/b", edge.address("http").port()),
        "-c",
        "seawall.yaml",
    ]);
    assert!(purged.status.success(), "{purged:?}");
    edge.signal(Signal::SIGUSR2);
    edge.logged("upgrade: seawall/");
    eventually("one worker", || {
        (process::children(edge.pid()).len() == 1).then_some(())
    });
    eventually("the disk looked through", || {
        (edge.metric("seawall_cache_disk_objects") >= 1).then_some(())
    });
    assert_eq!(fetched("/kept/a"), 0, "it came from the disk");
    assert_eq!(fetched("/kept/b"), 1, "it was purged");
}

#[test]
fn killed_workers_under_load_refuse_no_connection() {
    let origin = Origin::start();
    let edge = edge(&origin).start();
    let load = Load::start(edge.address("http"), 4);
    for _ in 0..rounds(3) {
        load.more(50);
        let worker = edge.worker();
        process::signal(worker, Signal::SIGKILL);
        eventually("its death", || (!process::is_alive(worker)).then_some(()));
    }
    load.more(50);
    // What the dead worker had in its hands is lost; whoever connects is served by the next one.
    let refused = load.end().into_iter().filter(|s| s.text == REFUSED).count();
    assert_eq!(refused, 0);
}
