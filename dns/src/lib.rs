//! Authoritative DNS: zones, answers, dynamic records, UDP and TCP servers.
