//! The only unsafe code and system calls: sockets, recvmmsg, SCM_RIGHTS, privileges.
