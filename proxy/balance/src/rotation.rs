//! A weighted order of servers, computed ahead.
//!
//! Smooth weighted round robin as a sequence: at each step every server gains its weight, the richest is chosen and
//! pays the sum. After one round each server was chosen exactly as often as its weight says, as far apart as can be.
//! Computed once for a set of servers, a pick is then one atomic increment, where nginx locks and walks all peers.

use crate::limits::ROTATION_SLOTS_MAX;

/// One round: indexes of servers, each as often as its weight.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    slots: Box<[u32]>,
    /// Each server once; empty where the slots are that.
    members: Box<[u32]>,
}

impl Rotation {
    /// The round of these `(index, weight)`.
    pub(crate) fn new(members: &[(u32, u32)]) -> Self {
        let weights = reduced(members);
        if weights.iter().all(|&weight| weight == 1) {
            return Self {
                slots: members.iter().map(|&(index, _)| index).collect(),
                members: Box::default(),
            };
        }
        let sum: i64 = weights.iter().sum();
        let mut credit = vec![0i64; weights.len()];
        let mut slots = Vec::with_capacity(usize::try_from(sum).unwrap_or_default());
        for _ in 0..sum {
            let mut richest = 0;
            for (at, weight) in weights.iter().enumerate() {
                credit[at] += weight;
                if credit[at] > credit[richest] {
                    richest = at;
                }
            }
            credit[richest] -= sum;
            slots.push(members[richest].0);
        }
        Self {
            slots: slots.into(),
            members: members.iter().map(|&(index, _)| index).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many slots a round has.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The servers in order, from a place in the round (any number: the round repeats), all slots once.
    pub(crate) fn from(&self, start: usize) -> impl Iterator<Item = usize> + '_ {
        around(&self.slots, start)
    }

    /// Each server once, from any place on.
    pub(crate) fn members_from(&self, start: usize) -> impl Iterator<Item = usize> + '_ {
        let members = match self.members.len() {
            0 => &self.slots,
            _ => &self.members,
        };
        around(members, start)
    }

    /// The place in the round for a random number, by multiplication in place of division.
    pub(crate) fn place(&self, random: u32) -> usize {
        ((u64::from(random) * self.slots.len() as u64) >> 32) as usize
    }
}

fn around(indexes: &[u32], start: usize) -> impl Iterator<Item = usize> + '_ {
    let (head, tail) = match indexes.len() {
        0 => (&[][..], &[][..]),
        len => indexes.split_at(start % len),
    };
    tail.iter().chain(head).map(|&index| index as usize)
}

/// The weights divided by their greatest common divisor, and scaled down where their sum is past the limit.
fn reduced(members: &[(u32, u32)]) -> Vec<i64> {
    let divisor = members
        .iter()
        .fold(0, |divisor, &(_, weight)| gcd(divisor, weight.max(1)))
        .max(1);
    let weights: Vec<i64> = members
        .iter()
        .map(|&(_, weight)| i64::from(weight.max(1) / divisor))
        .collect();
    let sum: i64 = weights.iter().sum();
    let slots_max = ROTATION_SLOTS_MAX as i64;
    if sum <= slots_max {
        return weights;
    }
    // At most 2^32 servers of weights below 2^32: the product stays below 2^42.
    weights
        .iter()
        .map(|weight| (weight * slots_max / sum).max(1))
        .collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(weights: &[u32]) -> Vec<usize> {
        let members: Vec<(u32, u32)> = (0u32..).zip(weights.iter().copied()).collect();
        Rotation::new(&members).from(0).collect()
    }

    #[test]
    fn the_order_is_nginxs() {
        assert_eq!(order(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(order(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(order(&[2, 1]), [0, 1, 0]);
    }

    #[test]
    fn common_factors_do_not_lengthen_the_round() {
        assert_eq!(order(&[100, 50]), [0, 1, 0]);
        assert_eq!(order(&[700, 700]), [0, 1]);
    }

    #[test]
    fn a_weight_of_zero_counts_as_one() {
        assert_eq!(order(&[0, 1]), [0, 1]);
    }

    #[test]
    fn weights_past_the_limit_are_scaled_and_nobody_is_lost() {
        let order = order(&[u32::MAX, 1_000_003, 7, 1]);
        assert!(order.len() <= ROTATION_SLOTS_MAX + 4);
        for index in 0..4 {
            assert!(order.contains(&index), "{index} has no slot");
        }
        assert!(order.iter().filter(|&&index| index == 0).count() > 990);
    }

    #[test]
    fn more_servers_than_slots_all_have_one() {
        let members: Vec<(u32, u32)> = (0..3000).map(|index| (index, 1 + index % 2)).collect();
        let rotation = Rotation::new(&members);
        assert_eq!(rotation.len(), 3000);
        assert_eq!(rotation.from(17).count(), 3000);
    }

    #[test]
    fn an_empty_round_has_nobody() {
        assert_eq!(order(&[]), Vec::<usize>::new());
        assert_eq!(Rotation::default().place(7), 0);
    }
}
