//! The participant.

fn main() {}
