//! Ordered group messaging for small machines: one member sends a text, and all other members get
//! it, in one order. A member that was away gets the messages that it missed, as long as they have
//! not expired.
//!
//! The crate is two programs: `coordinator` serves one group, and each `participant` is a member
//! with a prompt and a message log. Both run one event loop on one thread. Other threads do only
//! work that can block: files, the terminal, the log, name lookups and the commands of `--exec`.
//! The program `site` (feature `engine`) is a coordinator of a group with several coordinators. It
//! has one more thread, for its connections to NATS JetStream.
//!
//! # What is stable
//!
//! The programs, the wire and the files are stable. The Rust API is not.
//!
//! | interface | stable | described in |
//! | --- | --- | --- |
//! | the programs: options, config keys, exit codes, replies | yes | `config/README.md` |
//! | the wire: version 1, lines of text on two TCP connections | yes | [`protocol`] |
//! | the files of people: config file, access file, keys file | yes | `config/README.md` |
//! | the files of the programs: message log, outbox file, journal | yes | `config/README.md` |
//! | the words of error reasons that a program may read | yes | [`protocol`] |
//! | all other words in errors, notices and log lines | no, they are for people | |
//! | the Rust API: modules, types, functions | no, it changes with the source | here |
//!
//! Yes means: a later version reads today's files, and serves clients that follow today's
//! PROTOCOL.md. `CHANGELOG.md` lists each change. To write a client in any language, read
//! [`protocol`]: a client needs nothing of this crate.
//!
//! # Map
//!
//! ```text
//!        bin
//!         │
//!    ┌────┴────────────┐
//!  coordinator    participant        shells: sockets, clock, files
//!    │     └──┬────────┘  │
//!    │       net          │          shared by both loops
//!    ├── journal          │          the order of facts, and their records
//!  group              session        minds: decisions, and nothing else
//!    └──────┬─────────────┘
//!       access                       the table of who may do what
//!       protocol                     the wire, as values
//!     limits   time   text   metrics   histogram
//! ```
//!
//! A shell turns readiness into inputs, and effects into system calls. A mind is a deterministic
//! state machine: one function takes inputs, and effects come out. So every decision can be tested
//! without a socket, a clock or a file, and replayed from a seed. Arrows go down only:
//! `tests/house` checks that. `src/README.md` follows a message through the modules.

pub mod access;
pub mod config;
pub mod coordinator;
pub mod facts;
pub mod group;
pub mod histogram;
pub mod journal;
pub mod limits;
pub mod metrics;
pub mod net;
#[cfg(feature = "participant")]
pub mod participant;
pub mod protocol;
pub mod session;
pub mod text;
pub mod time;
