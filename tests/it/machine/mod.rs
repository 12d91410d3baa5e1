//! The machine around the programs: addresses, networks, clocks.

#[cfg(target_os = "linux")]
mod addresses;
#[cfg(all(target_os = "linux", target_env = "gnu", feature = "participant"))]
mod clocks;
#[cfg(target_os = "linux")]
mod network;
mod own_logger;
