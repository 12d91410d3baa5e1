//! Faults of the machine under the real programs: a kill at any call, the loss of power, networks
//! that are cut, disks that fail, fill up or do not answer, and kills at random under load.

#![cfg(test)]
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod cables;
mod crash_points;
mod disk_full;
mod hung_disk;
mod io_errors;
mod outbox_errors;
mod power_loss;
mod torture;
