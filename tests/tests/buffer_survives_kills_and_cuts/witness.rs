//! Remembers what was acknowledged and what was sent, as devices and a hub would, and judges.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

/// Numbers of one life never meet those of another.
const NUMBERS_A_LIFE: u64 = 1 << 32;

/// What was heard of all lives so far.
#[derive(Default)]
pub(crate) struct Witness {
    lives: u64,
    epoch: Option<String>,
    /// Whether a quota may cost readings.
    expects_eviction: bool,
    /// From the first number of each group that was tried to what is known of it.
    groups: BTreeMap<u64, Attempt>,
    /// Where each number was sent first.
    sent: HashMap<u64, u64>,
    /// What each commit held.
    commits: HashMap<u64, String>,
    /// Commits that were declared as evicted, each gap as it was heard.
    evicted_commits: Vec<RangeInclusive<u64>>,
    evicted_through: u64,
    /// How many readings were evicted, by the books of the last life.
    evicted: u64,
    /// The last commit of the newest group that was acknowledged, and the group's first number.
    newest: (u64, u64),
    repeats: usize,
    frozen: usize,
    salvaged: usize,
}

/// A group that was to be appended.
struct Attempt {
    last: u64,
    /// The first commit that it may lie in.
    from_commit: u64,
    /// The last one, once it was acknowledged.
    through_commit: Option<u64>,
}

/// Makes ranges of commits that touch or overlap one, in order.
fn merged(ranges: &[RangeInclusive<u64>]) -> Vec<RangeInclusive<u64>> {
    let mut sorted: Vec<_> = ranges.iter().map(|range| (*range.start(), *range.end())).collect();
    sorted.sort_unstable();
    let mut merged: Vec<RangeInclusive<u64>> = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some(before) if first <= before.end() + 1 => *before = *before.start()..=last.max(*before.end()),
            _ => merged.push(first..=last),
        }
    }
    merged
}

/// Tells whether any commit of `first..=last` lies in one of the merged ranges.
fn meets(merged: &[RangeInclusive<u64>], first: u64, last: u64) -> bool {
    let behind = merged.partition_point(|range| *range.end() < first);
    merged.get(behind).is_some_and(|range| *range.start() <= last)
}

fn numbers<const N: usize>(words: &str) -> [u64; N] {
    let numbers: Vec<_> = words.split(' ').take(N).map(|word| word.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

impl Witness {
    /// One to whom readings may be lost, if that is declared.
    pub(crate) fn who_expects_eviction() -> Self {
        Self { expects_eviction: true, ..Self::default() }
    }

    /// Returns the first number of the next life.
    pub(crate) fn fresh_numbers(&mut self) -> u64 {
        self.lives += 1;
        self.lives * NUMBERS_A_LIFE
    }

    /// Takes note of what an appender said.
    pub(crate) fn hear(&mut self, said: &[String]) {
        for line in said {
            let (word, rest) = line.split_once(' ').unwrap();
            match word {
                "opened" => self.is_of_epoch(rest),
                "appending" => {
                    let [first, last, from_commit] = numbers(rest);
                    self.groups.insert(first, Attempt { last, from_commit, through_commit: None });
                }
                "acknowledged" => {
                    let [first, _, through] = numbers(rest);
                    let group = self.groups.get_mut(&first).unwrap();
                    let (newest, before) = (self.newest.0, group.from_commit);
                    // Whoever forgets what he acknowledged begins with its numbers again.
                    assert!(before > newest, "commit {before} follows {newest}, which was acknowledged");
                    group.through_commit = Some(through);
                    self.newest = (through, first);
                }
                "gap" if self.expects_eviction && rest.ends_with("Evicted") => {
                    let [first, last] = numbers(rest);
                    self.evicted_commits.push(first..=last);
                    self.evicted_through = self.evicted_through.max(last);
                }
                "evicted" => [self.evicted] = numbers(rest),
                "sent" => {
                    let mut parts = rest.splitn(3, ' ');
                    self.is_of_epoch(parts.next().unwrap());
                    self.take(parts.next().unwrap().parse().unwrap(), parts.next().unwrap());
                }
                "frozen" => self.frozen += 1,
                // A log that the disk tore: the verdict tells whether all that was acknowledged is among it.
                "fault" if rest.contains(" are saved, see quarantine/") => self.salvaged += 1,
                _ => panic!("the buffer says {line:?}"),
            }
        }
    }

    fn is_of_epoch(&mut self, epoch: &str) {
        let known = self.epoch.get_or_insert_with(|| epoch.to_owned());
        assert_eq!(known, epoch, "under another epoch a hub would take everything twice");
    }

    fn take(&mut self, commit: u64, numbers: &str) {
        if let Some(known) = self.commits.get(&commit) {
            // A hub takes it for a repetition.
            assert_eq!(known, numbers, "commit {commit} was sent with other readings before");
            self.repeats += 1;
            return;
        }
        let evicted = self.evicted_through;
        assert!(commit > evicted, "{commit} was there when {evicted}, which is newer, was evicted");
        let listed = numbers.trim_matches(['[', ']']).split(", ").filter(|text| !text.is_empty());
        for number in listed.map(|text| text.parse().unwrap()) {
            let before = self.sent.insert(number, commit);
            assert_eq!(before, None, "reading {number} came twice, in commit {commit} as well");
        }
        self.commits.insert(commit, numbers.to_owned());
    }

    /// Says what came of everything, when nothing is left in the buffer.
    pub(crate) fn verdict(&self) -> String {
        let evicted_commits = merged(&self.evicted_commits);
        let (mut acknowledged, mut lost, mut may_be_lost) = (0, 0, 0);
        for (first, attempt) in &self.groups {
            let missing =
                (*first..=attempt.last).filter(|number| !self.sent.contains_key(number)).count() as u64;
            let Some(through) = attempt.through_commit else {
                may_be_lost += missing;
                continue;
            };
            acknowledged += attempt.last - first + 1;
            lost += missing;
            let is_declared = meets(&evicted_commits, attempt.from_commit, through);
            assert!(
                missing == 0 || is_declared,
                "{missing} acknowledged readings are lost of {first} to {}, in commits {} to {through}",
                attempt.last,
                attempt.from_commit
            );
        }
        // The buffer that was killed did not hear that the hub has them.
        let was_sent_before = |commit: &&u64| meets(&evicted_commits, **commit, **commit);
        may_be_lost += self.sent.values().filter(was_sent_before).count() as u64;
        let evicted = self.evicted;
        assert!(
            (lost..=lost + may_be_lost).contains(&evicted),
            "{lost} to {} readings are lost, {evicted} by the books",
            lost + may_be_lost
        );
        let newest = self.newest.1..=self.groups.get(&self.newest.1).map_or(0, |group| group.last);
        for number in newest {
            assert!(self.sent.contains_key(&number), "the newest reading was evicted");
        }
        let (lives, commits, repeats) = (self.lives, self.commits.len(), self.repeats);
        let (frozen, salvaged) = (self.frozen, self.salvaged);
        format!(
            "{lives} lives, {acknowledged} readings acknowledged, all of them there once but {lost} that a quota cost; \
             {commits} commits, {repeats} sent again; {frozen} segments frozen, {salvaged} salvaged"
        )
    }
}
