//! Ranges walked either way, and several of them as one: how a filter that leaves part of an index key open is answered
//! without looking at more entries than it returns. It holds one entry per range and never reads ahead.

use super::fault::Outcome;
use gatehouse_core::ports::Direction;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The entries of a range, from that end from which a list goes.
pub(super) fn walk<I: DoubleEndedIterator>(mut range: I, direction: Direction) -> impl Iterator<Item = I::Item> {
    std::iter::from_fn(move || match direction {
        Direction::Ascending => range.next(),
        Direction::Descending => range.next_back(),
    })
}

/// What a number is merged by: the ranks of a list ascend, whichever way it goes. The rank of a rank is the number.
pub(super) fn rank(direction: Direction, number: u64) -> u64 {
    match direction {
        Direction::Ascending => number,
        Direction::Descending => !number,
    }
}

/// Yields the entries of all sources in order; each source must be in order itself. Numbers of a list that may go
/// either way are merged by their [`rank`].
pub(super) struct Merge<I, K> {
    sources: Vec<I>,
    heads: BinaryHeap<Reverse<(K, usize)>>,
}

impl<K: Ord, I: Iterator<Item = Outcome<K>>> Merge<I, K> {
    pub fn new(ranges: impl IntoIterator<Item = Outcome<I>>) -> Outcome<Self> {
        let mut merge = Self { sources: Vec::new(), heads: BinaryHeap::new() };
        for range in ranges {
            let mut range = range?;
            // Most ranges of a wide filter are empty: those are not kept.
            if let Some(first) = range.next() {
                merge.heads.push(Reverse((first?, merge.sources.len())));
                merge.sources.push(range);
            }
        }
        Ok(merge)
    }
}

impl<K: Ord, I: Iterator<Item = Outcome<K>>> Iterator for Merge<I, K> {
    type Item = Outcome<K>;

    fn next(&mut self) -> Option<Outcome<K>> {
        let Reverse((key, source)) = self.heads.pop()?;
        match self.sources[source].next() {
            Some(Ok(following)) => self.heads.push(Reverse((following, source))),
            Some(Err(fault)) => return Some(Err(fault)),
            None => {}
        }
        Some(Ok(key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_come_out_as_one_in_order() {
        let ranges = [vec![1, 4, 9], vec![], vec![2, 3], vec![5]];
        let sources = ranges.map(|range| Ok(range.into_iter().map(Ok)));
        let merged: Vec<u64> = Merge::new(sources).unwrap().map(Result::unwrap).collect();
        assert_eq!(merged, [1, 2, 3, 4, 5, 9]);
    }

    #[test]
    fn ranges_come_out_as_one_the_other_way() {
        for (way, wanted) in [(Direction::Ascending, [1, 2, 3, 4]), (Direction::Descending, [4, 3, 2, 1])] {
            let ranges = [vec![1, 4], vec![2, 3]];
            let sources = ranges.map(|range| Ok(walk(range.into_iter(), way).map(move |n| Ok(rank(way, n)))));
            let merged: Vec<u64> = Merge::new(sources).unwrap().map(|found| rank(way, found.unwrap())).collect();
            assert_eq!(merged, wanted, "{way:?}");
        }
    }
}
