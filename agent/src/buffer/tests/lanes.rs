//! Two lanes against a model of the hub that takes each epoch by itself: whatever overtakes what, however often the
//! program is killed and answers are lost, no commit is taken twice and none is left behind.

use std::collections::BTreeMap;

use penstock_shared::batch::GapReason;
use penstock_shared::id::CommitNumber;
use proptest::prelude::*;

use super::world::{World, familiar_noise, sent};
use crate::buffer::{FullPolicy, Lane, ReadLimits, Run};

#[derive(Debug, Clone)]
enum Act {
    Append(usize),
    AppendNoise,
    Send { lane: Lane, commits: usize, answer_is_lost: bool },
    Open,
    Close,
    Freeze,
    Stop,
    Kill,
}

fn acts(noise: u32) -> impl Strategy<Value = Vec<Act>> {
    let lane = prop_oneof![Just(Lane::Main), Just(Lane::Express)];
    let send = (lane, 1..6_usize, prop::bool::weighted(0.2));
    let act = prop_oneof![
        8 => (0..50_usize).prop_map(Act::Append),
        noise => Just(Act::AppendNoise),
        8 => send.prop_map(|(lane, commits, answer_is_lost)| Act::Send { lane, commits, answer_is_lost }),
        3 => Just(Act::Open),
        3 => Just(Act::Close),
        2 => Just(Act::Freeze),
        1 => Just(Act::Stop),
        1 => Just(Act::Kill),
    ];
    prop::collection::vec(act, 1..80)
}

#[derive(Default)]
struct Hub {
    have: [CommitNumber; 2],
    taken: BTreeMap<CommitNumber, u64>,
}

impl Hub {
    /// Returns how far the lane has come.
    fn take(&mut self, lane: Lane, run: &Run) -> CommitNumber {
        let have = &mut self.have[usize::from(lane == Lane::Express)];
        let (first, last) = (run.commits[0].commit.number, run.commits[run.commits.len() - 1].commit.number);
        let follows = run.gaps.first().map_or(first, |gap| gap.first).previous();
        if first <= *have || follows > *have {
            return *have;
        }
        *have = last;
        for stored in &run.commits {
            let before = self.taken.insert(stored.commit.number, stored.commit.readings.len() as u64);
            assert_eq!(before, None, "commit {} was taken twice", stored.commit.number);
        }
        last
    }

    fn readings(&self) -> u64 {
        self.taken.values().sum()
    }
}

struct Pair {
    world: World,
    hub: Hub,
    next: [CommitNumber; 2],
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            world: World::small(FullPolicy::DropOldest),
            hub: Hub::default(),
            next: Default::default(),
        };
        pair.start_over();
        pair
    }

    fn start_over(&mut self) {
        self.next = [Lane::Main, Lane::Express].map(|lane| self.world.buffer().lane_start(lane).next);
    }

    /// Sends once and returns whether there was something to send.
    fn send(&mut self, lane: Lane, commits: usize, answer_is_lost: bool) -> bool {
        let buffer = self.world.buffer();
        if lane == Lane::Express && !buffer.express_is_open() {
            return false;
        }
        let next = &mut self.next[usize::from(lane == Lane::Express)];
        let limits = ReadLimits { commits, ..super::world::EVERYTHING };
        let run = buffer.read(lane, *next, &limits).unwrap();
        let Some(last) = run.commits.last() else { return false };
        assert!(buffer.sending(lane, run.commits[0].commit.number, last.commit.number));
        let have = self.hub.take(lane, &run);
        if !answer_is_lost {
            buffer.confirm(lane, have, &sent(&run)).unwrap();
            *next = have.next();
        }
        true
    }

    fn apply(&mut self, act: &Act) {
        match act {
            Act::Append(readings) => drop(self.world.append(*readings)),
            Act::AppendNoise => drop(self.world.buffer().append(&familiar_noise()).unwrap()),
            Act::Send { lane, commits, answer_is_lost } => drop(self.send(*lane, *commits, *answer_is_lost)),
            Act::Open => {
                if self.world.buffer().open_express().unwrap() {
                    self.next[1] = self.world.buffer().lane_start(Lane::Express).next;
                }
            }
            Act::Close => drop(self.world.buffer().close_express().unwrap()),
            Act::Freeze => drop(self.world.buffer().freeze_oldest(|| true).unwrap()),
            Act::Stop => {
                self.world.reopen();
                self.start_over();
            }
            Act::Kill => {
                // What closing writes down is what a kill leaves out.
                let path = self.world.settings.dir.join("state");
                let state = std::fs::read(&path).unwrap();
                self.world.close();
                std::fs::write(path, state).unwrap();
                self.world.reopen();
                self.start_over();
            }
        }
        assert!(self.world.buffer().counts().is_balanced(), "{act:?}");
    }

    /// Sends by both lanes until nothing is left, as a forwarder does in the end.
    fn drain(&mut self) {
        for _ in 0..10_000 {
            let express = self.send(Lane::Express, 5, false);
            let main = self.send(Lane::Main, 5, false);
            let closed =
                self.world.buffer().express_is_open() && self.world.buffer().close_express().unwrap();
            if !express && !main && !closed {
                return;
            }
        }
        panic!("never drained: {:?}", self.world.buffer().counts());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_commit_is_taken_once_by_whichever_lane(acts in acts(0)) {
        let mut pair = Pair::new();
        acts.iter().for_each(|act| pair.apply(act));
        pair.drain();
        let (newest, received) = pair.world.buffer().newest();
        let counts = pair.world.buffer().counts();
        prop_assert_eq!((counts.stored, counts.buffered, counts.evicted), (received, 0, 0));
        prop_assert_eq!(pair.hub.readings(), received);
        prop_assert_eq!(pair.hub.taken.len() as u64, newest.0);
    }

    #[test]
    fn what_the_quota_drops_is_all_that_is_missing(acts in acts(8)) {
        let mut pair = Pair::new();
        acts.iter().for_each(|act| pair.apply(act));
        pair.drain();
        let (_, received) = pair.world.buffer().newest();
        let counts = pair.world.buffer().counts();
        prop_assert_eq!(counts.buffered, 0);
        // An answer that was lost may leave a commit at the hub that the quota dropped here.
        prop_assert!(counts.stored <= pair.hub.readings());
        prop_assert!(pair.hub.readings() + counts.evicted >= received);
        prop_assert_eq!(counts.stored + counts.evicted, received);
    }
}

#[test]
fn the_newest_readings_overtake_a_backlog_and_every_one_arrives_once() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        pair.world.append(200);
    }
    assert!(pair.send(Lane::Main, 1, false));
    assert!(pair.world.buffer().open_express().unwrap());
    assert!(pair.world.buffer().has_backlog());
    pair.start_over();
    assert!(pair.send(Lane::Express, 50, false));
    let newest = pair.world.buffer().newest().0;
    assert!(pair.hub.taken.contains_key(&newest), "the newest reading is there first");
    assert!(!pair.hub.taken.contains_key(&CommitNumber(50)), "the backlog is not");
    assert!(!pair.world.buffer().close_express().unwrap(), "a backlog waits");
    pair.drain();
    assert!(!pair.world.buffer().express_is_open());
    pair.world.append(7);
    pair.drain();
    assert_eq!(pair.hub.readings(), 20_007);
    pair.world.assert_balanced();
}

#[test]
fn a_second_outage_is_overtaken_too_though_the_first_run_is_still_on_the_disk() {
    let mut pair = Pair::new();
    for _ in 0..2 {
        for _ in 0..100 {
            pair.world.append(200);
        }
        assert!(pair.send(Lane::Main, 1, false));
        assert!(pair.world.buffer().open_express().unwrap());
        pair.start_over();
        assert!(!pair.world.buffer().open_express().unwrap(), "nothing of the run is confirmed yet");
        assert!(pair.send(Lane::Express, 50, false));
        let newest = pair.world.buffer().newest().0;
        assert!(pair.hub.taken.contains_key(&newest), "the newest readings go first, once more");
    }
    pair.drain();
    assert_eq!(pair.hub.readings(), 40_000);
}

#[test]
fn a_run_that_the_main_lane_has_not_passed_is_not_booked_again() {
    let mut pair = Pair::new();
    pair.world.append(10_000);
    pair.send(Lane::Main, 1, false);
    assert!(pair.world.buffer().open_express().unwrap());
    pair.start_over();
    // The express lane takes whole segments, then the quota drops the backlog and what lay beside it.
    while pair.world.buffer().counts().evicted == 0 {
        pair.world.fill_segments(3);
        while pair.send(Lane::Express, 20, false) {}
        if pair.world.buffer().open_express().unwrap() {
            pair.start_over();
        }
        for _ in 0..60 {
            pair.world.buffer().append(&familiar_noise()).unwrap();
        }
    }
    pair.apply(&Act::Kill);
    pair.drain();
    let (_, received) = pair.world.buffer().newest();
    let counts = pair.world.buffer().counts();
    assert_eq!(counts.stored, pair.hub.readings(), "{counts:?}");
    assert_eq!(counts.stored + counts.evicted, received, "{counts:?}");
}

#[test]
fn what_goes_by_the_other_lane_is_declared_and_not_called_missing() {
    let mut pair = Pair::new();
    for _ in 0..20 {
        pair.world.append(3);
    }
    pair.send(Lane::Main, 2, false);
    // Sent and not answered: the express lane must begin behind it.
    pair.send(Lane::Main, 10, true);
    assert!(pair.world.buffer().open_express().unwrap());
    let run = pair.world.buffer().read(Lane::Express, CommitNumber(1), &super::world::EVERYTHING).unwrap();
    assert_eq!(run.epoch, pair.world.buffer().epoch().other_lane());
    let first = run.commits[0].commit.number;
    assert!(first > CommitNumber(12), "{first}");
    assert_eq!(run.gaps.len(), 1);
    assert_eq!((run.gaps[0].first, run.gaps[0].last), (CommitNumber(1), first.previous()));
    assert_eq!((run.gaps[0].readings, run.gaps[0].reason), (0, GapReason::OtherLane));
    let main = pair.world.buffer().read(Lane::Main, CommitNumber(3), &super::world::EVERYTHING).unwrap();
    assert_eq!(main.commits.last().unwrap().commit.number, first.previous());
}

#[test]
fn segments_that_went_by_express_leave_the_disk_before_the_backlog_does() {
    let mut pair = Pair::new();
    pair.world.append(10_000);
    pair.send(Lane::Main, 1, false);
    assert!(pair.world.buffer().open_express().unwrap());
    pair.start_over();
    pair.world.fill_segments(4);
    while pair.send(Lane::Express, 20, false) {}
    assert_eq!(pair.world.segment_names().len(), 2, "the backlog's and the active one");
    pair.apply(&Act::Kill);
    assert_eq!(pair.world.buffer().counts().evicted, 0, "what went by express is no loss");
    pair.drain();
    pair.world.assert_balanced();
}
