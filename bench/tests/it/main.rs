//! Whole programs of the bench against real and faulty servers.

#![cfg(test)]

mod compare;
mod durability;
mod faulty;
mod instructions;
mod load;
mod sites;
mod support;
