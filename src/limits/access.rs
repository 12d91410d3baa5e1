//! Limits of the access file and of keys files.

/// Most bytes of an access file: tens of thousands of lines.
pub const ACCESS_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of a keys file: a key, and a chain of certificates.
pub const KEYS_FILE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a file with the certificates of CAs.
pub const CA_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most tries to lock a keys file that other programs replace.
pub const KEYS_FILE_TRIES_MAX: usize = 16;
/// Most keys of coordinators in a participant's keys file: one, and others to come.
pub const COORDINATOR_KEYS_MAX: usize = 16;
/// Most certificates in a keys file: a chain.
pub const CERTIFICATES_MAX: usize = 8;
/// Highest `rate` of the access file, in texts a second.
pub const RATE_HIGHEST: u32 = 1_000_000;
/// Most ids whose rates are counted at the same time. An id that has sent nothing for a second is
/// not counted.
pub const RATED_IDS_MAX: usize = super::MEMBERS_HIGHEST;
