//! The shop as its customers, its edge and its bad days see it: the real binary, on free loopback ports.

mod all;
mod customer;
mod faults;
mod harness;
mod http;
mod jobs;
mod orders;
mod pages;
mod search;
