//! Lists that a request can ask for.

/// Kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// List of [`super::Group::members`].
    Members,
    /// [`super::Group::stats`] and [`super::Group::gauges`].
    Stats,
}
