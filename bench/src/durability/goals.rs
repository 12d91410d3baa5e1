//! What should come out, each beside what did.

use super::store::Store;
use super::table::Table;
use super::{confirm, cost, recovery};

/// Bytes of a journal that are to be read in a second.
const READ_IN_A_SECOND: f64 = (256 * 1024 * 1024) as f64;
const COST_MAX: f64 = 1.3;

/// A goal and what came out.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What is compared.
    pub name: String,
    /// How much.
    pub bound: Bound,
    /// What came out; `None` if it was not measured.
    pub found: Option<f64>,
}

/// On which side of a value the goal is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// More than so much.
    Above(f64),
    /// At most so much.
    AtMost(f64),
}

impl Goal {
    /// Whether it was met; `None` if it was not measured.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let found = self.found?;
        Some(match self.bound {
            Bound::Above(least) => found > least,
            Bound::AtMost(most) => found <= most,
        })
    }
}

/// All goals for what was measured.
#[must_use]
pub fn goals(tables: &[Table]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for table in tables {
        let title = &table.title;
        let mut goal = |name: String, bound, found| goals.push(Goal { name, bound, found });
        if title.starts_with(confirm::RATE) {
            for peer in [Store::Nats, Store::Redis] {
                let found = table.ratio(Store::Groupcast.name(), peer.name());
                goal(format!("{title}: groupcast to {}", peer.name()), Bound::Above(1.0), found);
            }
        } else if title.starts_with(cost::TITLE) {
            for mode in [cost::NEVER, cost::ALWAYS] {
                let found = table.ratio(mode, cost::MEMORY);
                let name = format!("{title}: {mode} to {}", cost::MEMORY);
                goal(name, Bound::AtMost(COST_MAX), found);
            }
        } else if title.starts_with(recovery::TITLE) {
            for row in table.rows.iter().filter(|row| row.name != recovery::FROM_DISK) {
                let most = recovery::BYTES as f64 / READ_IN_A_SECOND * 1e3;
                goal(
                    format!("{title}: {}", row.name),
                    Bound::AtMost(most),
                    table.median(&row.name),
                );
            }
        }
    }
    goals
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;
    use super::*;

    #[test]
    fn every_table_with_a_goal_is_found_by_its_title() {
        let rate = table("confirmed, x", &[("groupcast", &[300.0]), ("NATS JetStream", &[100.0])]);
        let cpu = table(
            "delivered, x",
            &[("memory only", &[10.0]), ("sync=never", &[12.0]), ("sync=always", &[14.0])],
        );
        let back = table("recovered", &[("100 B", &[300.0]), ("1 KiB", &[400.0])]);
        let goals = goals(&[rate, cpu, back]);
        let found: Vec<_> = goals.iter().map(|goal| (goal.found, goal.is_met())).collect();
        let expected = [
            (Some(3.0), Some(true)),
            (None, None),
            (Some(1.2), Some(true)),
            (Some(1.4), Some(false)),
            (Some(300.0), Some(true)),
            (Some(400.0), Some(false)),
        ];
        assert_eq!(found, expected);
    }
}
