//! Forking into the background and limits of the process.

use crate::Error;
use nix::{
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, setsid},
};
use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    os::fd::{AsFd, OwnedFd},
};

/// Which side of a [`fork`] this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The old process, with the child's number.
    Parent {
        /// Process id of the child.
        child: u32,
    },
    /// The new process.
    Child,
}

/// Splits the process in two; refused when it has more than one thread.
///
/// With one thread the child is a faithful copy: no lock can be held by a thread that does not exist in it.
pub fn fork() -> Result<Fork, Error> {
    let threads = std::fs::read_dir("/proc/self/task")
        .map_err(Error::call("opendir"))?
        .count();
    if threads != 1 {
        return Err(Error::Threads(threads));
    }
    fork_checked()
}

fn fork_checked() -> Result<Fork, Error> {
    // SAFETY: the process has a single thread (checked by the caller), so the child may do whatever the parent could.
    match unsafe { nix::unistd::fork() }.map_err(Error::errno_of("fork"))? {
        ForkResult::Parent { child } => Ok(Fork::Parent {
            child: child.as_raw() as u32,
        }),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// Leaves the terminal: a session of its own, standard input and output on /dev/null. Standard error stays, so that
/// what goes wrong until the daemon is ready is still seen; see [`redirect_stderr`].
pub fn detach() -> Result<(), Error> {
    setsid().map_err(Error::errno_of("setsid"))?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(Error::call("open"))?;
    dup2_stdin(null.as_fd()).map_err(Error::errno_of("dup2"))?;
    dup2_stdout(null.as_fd()).map_err(Error::errno_of("dup2"))
}

/// Takes the descriptor a parent handed over as standard input, and leaves /dev/null in its place.
pub fn take_stdin() -> Result<OwnedFd, Error> {
    let given = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(Error::call("dup"))?;
    let null = File::open("/dev/null").map_err(Error::call("open"))?;
    dup2_stdin(null.as_fd()).map_err(Error::errno_of("dup2"))?;
    Ok(given)
}

/// Makes a command start with no signal blocked: [`crate::signals::Signals`] blocks those it reads, a child inherits the
/// mask through `exec`, and one that never hears of SIGCHLD or SIGTERM cannot do its work.
pub fn unblock_signals(command: &mut std::process::Command) {
    use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
    use std::os::unix::process::CommandExt;
    // SAFETY: between `fork` and `exec` only async-signal-safe functions may run. The closure calls `sigprocmask` alone,
    // which is one (POSIX.1, 2.4.3), on a set made here; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| {
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
                .map_err(std::io::Error::from)
        });
    }
}

/// The kernel's number of the calling thread.
pub fn thread_id() -> u32 {
    nix::unistd::gettid().as_raw() as u32
}

/// How a child has ended, if it has: for children that this process has not started itself but inherited from the program
/// it has taken the place of. `None` while it runs; `ECHILD` for what is no child of ours.
pub fn reap(pid: u32) -> Result<Option<std::process::ExitStatus>, Error> {
    use nix::{
        sys::wait::{WaitPidFlag, WaitStatus, waitpid},
        unistd::Pid,
    };
    use std::os::unix::process::ExitStatusExt;
    // As the kernel packs it (wait(2)): the exit code above, or the signal with the core's bit.
    let status = match waitpid(Pid::from_raw(pid as i32), Some(WaitPidFlag::WNOHANG))
        .map_err(Error::errno_of("waitpid"))?
    {
        WaitStatus::Exited(_, code) => code << 8,
        WaitStatus::Signaled(_, signal, core) => signal as i32 | if core { 0x80 } else { 0 },
        _ => return Ok(None),
    };
    Ok(Some(std::process::ExitStatus::from_raw(status)))
}

/// A pipe, close-on-exec: reading end, writing end.
pub fn pipe() -> Result<(File, File), Error> {
    let (read, write) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(Error::errno_of("pipe2"))?;
    Ok((read.into(), write.into()))
}

/// Lets standard error be this file.
pub fn redirect_stderr(file: &File) -> Result<(), Error> {
    dup2_stderr(file.as_fd()).map_err(Error::errno_of("dup2"))
}

/// Raises the limit of open files to `wanted` as far as allowed (root may also raise the hard limit); returns the limit
/// that holds now.
pub fn raise_open_files(wanted: u64) -> Result<u64, Error> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(Error::errno_of("getrlimit"))?;
    if soft >= wanted {
        return Ok(soft);
    }
    if hard < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() {
        return Ok(wanted);
    }
    let limit = wanted.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).map_err(Error::errno_of("setrlimit"))?;
    Ok(limit)
}

/// The name of this process in `ps -o comm` and `top`; cut at 15 bytes by the kernel.
pub fn set_name(name: &str) -> Result<(), Error> {
    let name = CString::new(name).unwrap_or_default();
    prctl::set_name(&name).map_err(Error::errno_of("prctl"))
}

/// Creates a directory for `owner` alone (mode 0700), or leaves one that exists as it is.
pub fn private_directory(path: &std::path::Path, owner: Option<(u32, u32)>) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt, chown};
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::call("mkdir"))?;
    }
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(Error::call("mkdir"))?;
    match owner {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(Error::call("chown")),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use nix::{
        sys::wait::{WaitStatus, waitpid},
        unistd::Pid,
    };

    /// Runs `body` in a forked child and tells whether it returned true.
    ///
    /// The test process has threads, so `body` must keep to system calls and little allocation (glibc's allocator
    /// survives a fork).
    pub(crate) fn in_child(body: impl FnOnce() -> bool) -> bool {
        match fork_checked().unwrap() {
            Fork::Parent { child } => {
                matches!(
                    waitpid(Pid::from_raw(child as i32), None),
                    Ok(WaitStatus::Exited(_, 0))
                )
            }
            Fork::Child => {
                let good =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
                // SAFETY: ends the child at once, without the test harness's own exit handlers.
                unsafe { libc::_exit(if good { 0 } else { 1 }) }
            }
        }
    }

    #[test]
    fn fork_is_refused_beside_other_threads() {
        let error = std::thread::spawn(|| fork().unwrap_err()).join().unwrap();
        assert!(matches!(error, Error::Threads(n) if n > 1), "{error}");
    }

    #[test]
    fn open_files_are_raised_at_most_to_what_is_allowed() {
        assert!(in_child(|| {
            setrlimit(Resource::RLIMIT_NOFILE, 64, 256).unwrap();
            // Root may go past the hard limit, others end at it.
            let limit = raise_open_files(512).unwrap();
            limit == 512 || limit == 256
        }));
    }

    #[test]
    fn a_private_directory_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir()
            .join(format!("seawall-private-{}", std::process::id()))
            .join("a/b");
        private_directory(&path, None).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        private_directory(&path, None).unwrap();
    }

    #[test]
    fn a_child_hears_the_signals_its_parent_reads() {
        use crate::signals::{Signal, Signals};
        // The mask is a thread's own: this thread's is left as it was when the thread ends.
        std::thread::spawn(|| {
            let _watched = Signals::watch(&[Signal::SIGTERM, Signal::SIGCHLD]).unwrap();
            let mut command = std::process::Command::new("cat");
            command
                .arg("/proc/self/status")
                .stdout(std::process::Stdio::piped());
            unblock_signals(&mut command);
            let status = String::from_utf8(command.output().unwrap().stdout).unwrap();
            let blocked = status.lines().find(|l| l.starts_with("SigBlk")).unwrap();
            assert!(blocked.ends_with("0000000000000000"), "{blocked}");
        })
        .join()
        .unwrap();
    }
}
