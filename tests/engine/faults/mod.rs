//! Real faults of sites and servers under whole programs: signals, cut networks, lists that go back
//! or are written by strangers, and full disks.

mod cut;
mod far;
mod full;
mod restored;
mod signals;
mod site_program;
mod snapshot_versions;
mod storm;
mod strangers;
mod undecided;
