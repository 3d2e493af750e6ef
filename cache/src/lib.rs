//! The HTTP cache: RFC 9111 policy, keys, variants, stores and shared fills.
