//! Numbers of refused requests.

/// Codes of `ERR`, in ascending order, as numbers and as labels.
const CODES: [(u16, &str); 14] = [
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (421, "421"),
    (429, "429"),
    (502, "502"),
    (503, "503"),
    (506, "506"),
    (507, "507"),
    (0, "other"),
];

/// Number of `ERR` replies for each code.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::coordinator) struct RefusalCounts([u64; CODES.len()]);

impl RefusalCounts {
    /// Counts a reply `ERR` with this code.
    pub(super) fn record(&mut self, code: u16) {
        let is_of = |(known, _): &(u16, _)| *known == code || *known == 0;
        let counted = CODES.iter().position(is_of).and_then(|at| self.0.get_mut(at));
        if let Some(count) = counted {
            *count = count.saturating_add(1);
        }
    }

    /// Returns the numbers, each with its code.
    pub(in crate::coordinator) fn by_code(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CODES.into_iter().zip(self.0).map(|((_, label), count)| (label, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_count() {
        let mut counts = RefusalCounts::default();
        for code in [400, 507, 507, 999] {
            counts.record(code);
        }
        let counted: Vec<_> = counts.by_code().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("400", 1), ("507", 2), ("other", 1)]);
    }
}
