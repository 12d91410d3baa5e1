//! Order in which the receivers get each message: the mean arrival rank of each receiver.
//!
//! The first receiver that gets a message has the rank 0 there. In a fair group every receiver is
//! in the middle on average.

/// Part of the receivers whose mean rank is compared with the middle.
const PART: usize = 10;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ranks {
    /// Number of receivers that have each message. The first message of a run is at index 0.
    arrivals: Vec<u32>,
    /// Sum of the ranks of each receiver, and their number.
    receivers: Vec<(u64, u64)>,
}

impl Ranks {
    /// Notes that a receiver got a message.
    pub(crate) fn take(&mut self, receiver: usize, message: u64) {
        let message = message as usize;
        if message >= self.arrivals.len() {
            self.arrivals.resize(message + 1, 0);
        }
        if receiver >= self.receivers.len() {
            self.receivers.resize(receiver + 1, (0, 0));
        }
        let arrived = self.arrivals.get_mut(message).zip(self.receivers.get_mut(receiver));
        if let Some((rank, (sum, count))) = arrived {
            *sum += u64::from(*rank);
            *count += 1;
            *rank += 1;
        }
    }

    /// Distance of the worst tenth of the receivers from the middle, in percent of the middle. The
    /// worst tenth are the receivers with the lowest or with the highest mean ranks, so no other
    /// tenth is farther away. `None` if there are fewer than ten receivers.
    pub(crate) fn worst_tenth(&self) -> Option<f64> {
        let mean = |&(sum, count): &(u64, u64)| sum as f64 / count.max(1) as f64;
        let mut means: Vec<f64> = self.receivers.iter().map(mean).collect();
        means.sort_by(f64::total_cmp);
        let size = means.len() / PART;
        let mean_of = |part: Option<&[f64]>| {
            part.filter(|part| !part.is_empty())
                .map(|part| part.iter().sum::<f64>() / part.len() as f64)
        };
        let middle = mean_of(Some(&means))?;
        let first = mean_of(means.get(..size))?;
        let last = mean_of(means.get(means.len() - size..))?;
        let distance = (middle - first).max(last - middle);
        (middle > 0.0).then(|| distance / middle * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranks after 1000 messages to 100 receivers, in an order that begins at `first`.
    fn ranks(first: impl Fn(usize) -> usize) -> Ranks {
        let mut ranks = Ranks::default();
        for message in 0..1000 {
            for at in 0..100 {
                ranks.take((first(message) + at) % 100, message as u64);
            }
        }
        ranks
    }

    #[test]
    fn each_order_has_the_distance_of_its_worst_tenth() {
        // The first ten have the ranks 0 to 9, and the middle is 49.5.
        let always_the_same = ranks(|_| 0).worst_tenth().unwrap();
        assert!((always_the_same - 45.0 / 49.5 * 100.0).abs() < 1e-9, "{always_the_same}");
        let in_turns = ranks(|message| message).worst_tenth().unwrap();
        assert!(in_turns.abs() < 1e-9, "{in_turns}");
        // Ten receivers come first in each tenth message more than their share: 10 % of 45 + 4.5.
        let one_in_ten =
            |message| if message % 10 == 0 { 0 } else { message / 10 * 9 + message % 10 };
        let slightly_unfair = ranks(one_in_ten).worst_tenth().unwrap();
        assert!((8.0..12.0).contains(&slightly_unfair), "{slightly_unfair}");
    }

    #[test]
    fn few_receivers_have_no_tenth() {
        assert_eq!(Ranks::default().worst_tenth(), None);
        let mut ranks = Ranks::default();
        (0..9).for_each(|receiver| ranks.take(receiver, 0));
        assert_eq!(ranks.worst_tenth(), None);
        ranks.take(9, 0);
        assert_eq!(ranks.worst_tenth(), Some(100.0));
    }
}
