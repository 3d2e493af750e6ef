//! The shop as its customers, its edge and its bad days see it: the real binary, on free loopback ports.

mod all;
mod faults;
mod harness;
mod jobs;
mod orders;
mod pages;
mod search;
