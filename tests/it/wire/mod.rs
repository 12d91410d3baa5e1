//! The wire: everything that a client sees of the coordinator on command sockets and message
//! sockets.

mod acked;
mod commands;
mod errors;
mod framing;
mod here;
mod loss;
mod message_socket;
mod newcomers;
mod presence;
