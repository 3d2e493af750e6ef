//! Becoming somebody else, for good.

use crate::Error;
use nix::{
    sys::prctl,
    unistd::{Gid, Group, Uid, User, getgrouplist, setgroups, setresgid, setresuid},
};
use std::ffi::CString;

/// A user as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one among them.
    pub groups: Vec<u32>,
}

/// Whether this process may do as it likes.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Whether this process may listen on ports below 1024 (capabilities(7), ip(7)).
pub fn may_bind_low_ports() -> bool {
    /// CAP_NET_BIND_SERVICE (linux/capability.h).
    const BIND_SERVICE: u64 = 1 << 10;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first = first.ok().and_then(|n| n.trim().parse::<u32>().ok());
    is_root() || held.is_some_and(|held| held & BIND_SERVICE != 0) || first.is_some_and(|n| n <= 80)
}

/// The effective user id of this process.
pub fn effective_uid() -> u32 {
    Uid::effective().as_raw()
}

/// Looks a user up, with its groups (nginx's `user name [group]`); a group replaces the primary one.
pub fn lookup(user: &str, group: Option<&str>) -> Result<Identity, Error> {
    let entry = User::from_name(user).map_err(Error::errno_of("getpwnam"))?;
    let entry = entry.ok_or_else(|| Error::NoSuchUser(user.into()))?;
    let gid = match group {
        None => entry.gid,
        Some(name) => {
            let group = Group::from_name(name).map_err(Error::errno_of("getgrnam"))?;
            group.ok_or_else(|| Error::NoSuchGroup(name.into()))?.gid
        }
    };
    let name = CString::new(user).map_err(|_| Error::NoSuchUser(user.into()))?;
    let groups = getgrouplist(&name, gid).map_err(Error::errno_of("getgrouplist"))?;
    Ok(Identity {
        uid: entry.uid.as_raw(),
        gid: gid.as_raw(),
        groups: groups.iter().map(|g| g.as_raw()).collect(),
    })
}

/// Becomes `identity` for good: groups first (only root may set them), then gid, then uid, all three of each.
///
/// Call it before threads exist. Checks afterwards that root cannot be regained, because a process that believes to
/// have dropped its rights and has not is worse than one that stops.
pub fn assume(identity: &Identity) -> Result<(), Error> {
    let groups: Vec<Gid> = identity.groups.iter().map(|g| Gid::from_raw(*g)).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setgroups(&groups).map_err(Error::errno_of("setgroups"))?;
    setresgid(gid, gid, gid).map_err(Error::errno_of("setresgid"))?;
    setresuid(uid, uid, uid).map_err(Error::errno_of("setresuid"))?;
    if !uid.is_root() && nix::unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(Error::PrivilegesRegained(identity.uid));
    }
    Ok(())
}

/// No exec from here on can add rights (set-user-ID binaries, file capabilities).
pub fn no_new_privileges() -> Result<(), Error> {
    prctl::set_no_new_privs().map_err(Error::errno_of("prctl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_with_its_groups() {
        let root = lookup("root", None).unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
    }

    #[test]
    fn unknown_names_are_told_apart() {
        assert!(matches!(
            lookup("no-such-user-here", None),
            Err(Error::NoSuchUser(_))
        ));
        assert!(matches!(
            lookup("nul\0inside", None),
            Err(Error::NoSuchUser(_) | Error::Call { .. })
        ));
        assert!(matches!(
            lookup("root", Some("no-such-group-here")),
            Err(Error::NoSuchGroup(_))
        ));
    }

    #[test]
    fn a_child_that_became_nobody_cannot_become_root_again() {
        if !is_root() {
            return;
        }
        let nobody = lookup("nobody", None).unwrap();
        // In a thread, glibc would carry the change to the whole test process: a forked child keeps it to itself.
        let status = crate::process::tests::in_child(|| {
            assume(&nobody).is_ok()
                && no_new_privileges().is_ok()
                && effective_uid() == nobody.uid
                && nix::unistd::setuid(Uid::from_raw(0)).is_err()
                && std::fs::File::open("/etc/shadow").is_err()
        });
        assert!(status, "the child still had rights");
    }
}
