//! Remembers what was acknowledged and what was sent, as devices and a hub would, and judges.

use std::collections::{BTreeMap, HashMap};

/// Numbers of one life never meet those of another.
const NUMBERS_A_LIFE: u64 = 1 << 32;

/// What was heard of all lives so far.
#[derive(Default)]
pub(crate) struct Witness {
    lives: u64,
    epoch: Option<String>,
    /// From the first number of a life to the last one acknowledged.
    acknowledged: BTreeMap<u64, u64>,
    /// Where each number was sent first.
    sent: HashMap<u64, u64>,
    /// What each commit held.
    commits: HashMap<u64, String>,
    repeats: usize,
    frozen: usize,
    salvaged: usize,
}

impl Witness {
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
                "acknowledged" => {
                    let (first, last) = rest.split_once(' ').unwrap();
                    self.acknowledged.insert(first.parse().unwrap(), last.parse().unwrap());
                }
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
        let listed = numbers.trim_matches(['[', ']']).split(", ").filter(|text| !text.is_empty());
        for number in listed.map(|text| text.parse().unwrap()) {
            let before = self.sent.insert(number, commit);
            assert_eq!(before, None, "reading {number} came twice, in commit {commit} as well");
        }
        self.commits.insert(commit, numbers.to_owned());
    }

    /// Says what came of everything, when nothing is left in the buffer.
    pub(crate) fn verdict(&self) -> String {
        let mut readings = 0;
        for (first, last) in &self.acknowledged {
            let missing: Vec<_> = (*first..=*last).filter(|number| !self.sent.contains_key(number)).collect();
            assert!(missing.is_empty(), "{} acknowledged readings are lost: {missing:?}", missing.len());
            readings += last - first + 1;
        }
        let (lives, commits, repeats) = (self.lives, self.commits.len(), self.repeats);
        let (frozen, salvaged) = (self.frozen, self.salvaged);
        format!(
            "{lives} lives, {readings} readings acknowledged, all of them there once; {commits} commits, {repeats} \
             sent again; {frozen} segments frozen, {salvaged} salvaged"
        )
    }
}
