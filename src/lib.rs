//! A group of programs on small machines talks: what one sends, all the others get, in one order,
//! and whoever was away gets what it missed as long as it has not expired.
//!
//! The crate is two programs, [`coordinator`] and `participant`, around two minds:
//!
//! ```text
//!        bin
//!         │
//!    ┌────┴────────────┐
//!  coordinator    participant        shells: sockets, clock, files
//!    │     └──┬────────┘  │
//!    │       net          │          what both loops share
//!    ├── journal          │          the coordinator's records on disk
//!  group              session        minds: decisions, and nothing else
//!    └──────┬─────────────┘
//!       protocol                     the wire, as values
//!     limits   time   text
//! ```
//!
//! A shell turns readiness into inputs and effects into system calls. A mind is a deterministic
//! state machine with one door in and one door out, so that everything it decides can be tested
//! without a socket, a clock or a file. Arrows go down only; a test over the sources keeps that.
//!
//! What a program must do to take part is in [`protocol`], which is the full specification.

pub mod config;
pub mod coordinator;
pub mod group;
pub mod journal;
pub mod limits;
pub mod net;
#[cfg(feature = "participant")]
pub mod participant;
pub mod protocol;
pub mod session;
pub mod text;
pub mod time;
