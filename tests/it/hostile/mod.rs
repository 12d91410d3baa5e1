//! Clients and members that ask for more than their share, and what protects the others.

mod clients;
mod files;
#[cfg(target_os = "linux")]
mod http_files;
mod members;
mod memory;
mod out_of_files;
mod silent;
