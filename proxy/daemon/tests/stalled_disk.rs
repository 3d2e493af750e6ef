//! A disk that stands still: a file system that is frozen (`fsfreeze`) keeps whoever writes to it in the kernel until it thaws,
//! deaf even to SIGKILL. Clients, reloads and upgrades must not notice.
//!
//! Needs root and a loop device; where there is none, nothing is tested here, and standard error says so.

mod support;

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use support::{Place, alive, ask, get, managed, signal, until};

/// A small file system of its own.
struct Disk {
    directory: tempfile::TempDir,
    is_frozen: bool,
}

impl Disk {
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let disk = Self {
            directory,
            is_frozen: false,
        };
        let image = disk.directory.path().join("image");
        fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        fs::create_dir(disk.path("")).unwrap();
        let made = run("mkfs.ext4", &["-q".as_ref(), &image])
            && run(
                "mount",
                &["-o".as_ref(), "loop".as_ref(), &image, &disk.path("")],
            );
        if !made {
            eprintln!("no file system can be mounted here: a disk that stands still is not tested");
        }
        made.then_some(disk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("mounted").join(name)
    }

    fn freeze(&mut self) {
        assert!(run("fsfreeze", &["-f".as_ref(), &self.path("")]));
        self.is_frozen = true;
    }

    fn thaw(&mut self) {
        if std::mem::take(&mut self.is_frozen) {
            assert!(run("fsfreeze", &["-u".as_ref(), &self.path("")]));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        // Lazily: a daemon may still have files open there.
        run("umount", &["-l".as_ref(), &self.path("")]);
    }
}

fn run(program: &str, arguments: &[&Path]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A configuration with something of it on the disk.
fn place(from: &str, to: &str) -> Place {
    let place = Place::new("");
    let text = fs::read_to_string(place.config()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(place.config(), text.replace(from, to)).unwrap();
    place
}

fn with_state(disk: &Disk) -> Place {
    place(
        "state: state",
        &format!("state: {}", disk.path("state").display()),
    )
}

/// Asks again and again, on new connections, until it is stopped; what was not answered with 200.
fn asking(address: SocketAddr) -> impl FnOnce() -> (usize, Vec<String>) {
    let stop = Arc::<AtomicBool>::default();
    let stopped = stop.clone();
    let asker = std::thread::spawn(move || {
        let (mut asked, mut failed) = (0, Vec::new());
        while !stopped.load(Ordering::SeqCst) {
            asked += 1;
            match get(address) {
                Ok(status) if status.starts_with("HTTP/1.1 200") => {}
                other => failed.push(format!("{other:?}")),
            }
        }
        (asked, failed)
    });
    move || {
        stop.store(true, Ordering::SeqCst);
        asker.join().unwrap()
    }
}

/// As an operator's editor does it: the file is whole whenever it is read.
fn rewrite(place: &Place, text: &str) {
    let next = place.path("next.yaml");
    fs::write(&next, text).unwrap();
    fs::rename(next, place.config()).unwrap();
}

#[test]
fn a_worker_serves_reloads_and_says_what_it_could_not_keep() {
    let Some(mut disk) = Disk::new() else { return };
    let place = with_state(&disk);
    let daemon = place.start();
    let good = fs::read_to_string(place.config()).unwrap();
    disk.freeze();
    let stop = asking(place.address);
    rewrite(&place, "version: 1\nnonsense: 1\n");
    signal(daemon.pid(), "HUP");
    daemon.logged("the configuration was not reloaded");
    rewrite(&place, &good.replace("ok\\n", "other\\n"));
    signal(daemon.pid(), "HUP");
    daemon.logged("configuration is live");
    daemon.logged("is not kept as a revision: keeping a revision stands still");
    let (asked, failed) = stop();
    let first = failed.first();
    assert!(
        asked > 0 && failed.is_empty(),
        "{first:?}, {} of {asked}: {}",
        failed.len(),
        place.log()
    );
    disk.thaw();
    signal(daemon.pid(), "QUIT");
    assert!(daemon.wait().success());
}

#[test]
fn a_killed_worker_is_replaced_by_one_that_serves() {
    let Some(mut disk) = Disk::new() else { return };
    let place = with_state(&disk);
    let daemon = place.start();
    let worker = daemon.worker();
    disk.freeze();
    signal(worker, "KILL");
    until("its death", || (!alive(worker)).then_some(()));
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    assert_ne!(daemon.worker(), worker);
}

#[test]
fn an_upgrade_goes_through_and_the_worker_before_ends() {
    let Some(mut disk) = Disk::new() else { return };
    let place = with_state(&disk);
    let daemon = place.start();
    let before = daemon.worker();
    let mut idle = TcpStream::connect(place.address).unwrap();
    assert!(ask(&mut idle).starts_with("HTTP/1.1 200"));
    disk.freeze();
    let stop = asking(place.address);
    // A reload leaves something in the worker's hands that the disk does not take.
    let text = fs::read_to_string(place.config()).unwrap();
    rewrite(&place, &text.replace("ok\\n", "other\\n"));
    signal(daemon.pid(), "HUP");
    daemon.logged("configuration is live");
    signal(daemon.pid(), "USR2");
    daemon.logged("serves\n");
    // It lets go all the same: connections that wait between requests are answered once more.
    until("an answer that closes", || {
        let answer = ask(&mut idle).to_lowercase();
        let log = place.log();
        assert!(answer.starts_with("http/1.1 200"), "{answer}: {log}");
        answer.contains("connection: close").then_some(())
    });
    let (asked, failed) = stop();
    let first = failed.first();
    assert!(
        asked > 0 && failed.is_empty(),
        "{first:?}, {} of {asked}: {}",
        failed.len(),
        place.log()
    );
    // The kernel lets go of it once the disk moves.
    disk.thaw();
    daemon.logged(&format!("worker process {before} exited with code 0"));
    signal(daemon.pid(), "HUP");
    daemon.logged("configuration is live");
}

#[test]
fn an_access_log_that_cannot_be_written_holds_up_no_request() {
    let Some(mut disk) = Disk::new() else { return };
    let log = disk.path("access.log");
    let place = place(
        "log: { ",
        &format!("log: {{ access: {{ path: {}, buffer: 0 }}, ", log.display()),
    );
    let daemon = place.start();
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    until("its line", || {
        (fs::read_to_string(&log).ok()?.lines().count() == 1).then_some(())
    });
    disk.freeze();
    // One thread serves: a write of it that waits would be the end of all.
    for _ in 0..20 {
        assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    }
    disk.thaw();
    until("all lines", || {
        (fs::read_to_string(&log).ok()?.lines().count() == 21).then_some(())
    });
    signal(daemon.pid(), "QUIT");
    assert!(daemon.wait().success());
}

#[test]
fn a_keeper_whose_log_cannot_be_written_refuses_an_upgrade_and_goes_on() {
    let Some(mut disk) = Disk::new() else { return };
    let log = disk.path("error.log");
    let place = place("./error.log", &log.display().to_string());
    let (manager, daemon) = managed(&place);
    let worker = daemon.worker();
    disk.freeze();
    signal(daemon.pid(), "USR2");
    let said = |text: &str| {
        let mut bytes = [0; 2048];
        let heard = || -> io::Result<String> {
            let n = manager.recv(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes[..n]).into_owned())
        };
        let mut heard = std::iter::repeat_with(heard);
        heard.find(|said| said.as_ref().map_or(true, |s| s.contains(text)))
    };
    said("an upgrade was refused").unwrap().unwrap();
    // It feeds its watchdog, serves, and replaces what dies.
    said("WATCHDOG=1").unwrap().unwrap();
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(daemon.worker(), worker);
    disk.thaw();
    until("why", || {
        let text = fs::read_to_string(&log).ok()?;
        text.contains("writing the error log stands still")
            .then_some(())
    });
    signal(daemon.pid(), "USR2");
    until("the upgrade", || {
        let text = fs::read_to_string(&log).ok()?;
        text.contains("serves\n").then_some(())
    });
}
