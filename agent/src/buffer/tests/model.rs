//! The buffer against a model: a plain list of commits, and where each of them should be.

use penstock_shared::id::CommitNumber;
use proptest::prelude::*;

use super::world::{World, familiar_noise, group, noise, sent};
use crate::buffer::{FullPolicy, Lane};

#[derive(Debug, Clone)]
enum Act {
    Append { readings: usize, dead_letters: usize },
    AppendNoise,
    AppendFamiliarNoise,
    ConfirmOldest(usize),
    RefuseOldest,
    Freeze,
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..50_usize, 0..3_usize).prop_map(|(readings, dead_letters)| Act::Append { readings, dead_letters }),
        3 => Just(Act::AppendNoise),
        5 => Just(Act::AppendFamiliarNoise),
        3 => (1..20_usize).prop_map(Act::ConfirmOldest),
        1 => Just(Act::RefuseOldest),
        2 => Just(Act::Freeze),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..60)
}

#[derive(Default)]
struct Model {
    /// Readings of each commit from 1 on, and whether the buffer still owes it to the hub.
    commits: Vec<(u64, bool)>,
    stored: u64,
    dead_letters: u64,
    refused: u64,
}

impl Model {
    fn buffered(&self) -> u64 {
        self.commits.iter().filter(|(_, owed)| *owed).map(|(readings, _)| readings).sum()
    }

    fn append(&mut self, readings: u64) {
        self.commits.push((readings, true));
    }

    fn settle(&mut self, number: CommitNumber) -> u64 {
        let commit = &mut self.commits[usize::try_from(number.0).unwrap() - 1];
        assert!(commit.1, "commit {number} came twice");
        commit.1 = false;
        commit.0
    }
}

fn apply(world: &mut World, model: &mut Model, act: &Act) {
    match act {
        Act::Append { readings, dead_letters } => {
            world.buffer().append(&group(*readings, *dead_letters)).unwrap();
            model.append(*readings as u64);
            model.dead_letters += *dead_letters as u64;
        }
        Act::AppendNoise | Act::AppendFamiliarNoise => {
            // Two texts of 40 kB each do not fit into one commit.
            let group = if matches!(act, Act::AppendNoise) { noise() } else { familiar_noise() };
            world.buffer().append(&group).unwrap();
            model.append(1);
            model.append(1);
        }
        Act::ConfirmOldest(count) => {
            let mut run = world.read_all();
            run.commits.truncate(*count);
            let Some(last) = run.commits.last() else { return };
            for stored in &run.commits {
                let readings = model.settle(stored.commit.number);
                assert_eq!(readings, stored.commit.readings.len() as u64);
                model.stored += readings;
            }
            world.buffer().confirm(Lane::Main, last.commit.number, &sent(&run)).unwrap();
        }
        Act::RefuseOldest => {
            let run = world.read_all();
            let Some(oldest) = sent(&run).first().copied() else { return };
            world.buffer().refuse(&oldest, &[]).unwrap();
            model.refused += model.settle(oldest.number);
        }
        Act::Freeze => drop(world.buffer().freeze_oldest(|| true).unwrap()),
        Act::Reopen => world.reopen(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_where_the_model_says(acts in acts()) {
        let mut world = World::small(FullPolicy::DropOldest);
        let mut model = Model::default();
        for act in &acts {
            apply(&mut world, &mut model, act);
            let counts = world.buffer().counts();
            prop_assert!(counts.is_balanced());
            prop_assert_eq!(counts.stored, model.stored);
            prop_assert_eq!(counts.dead_lettered, model.dead_letters + model.refused);
            prop_assert_eq!(counts.buffered + counts.evicted, model.buffered());
            prop_assert_eq!(counts.buffered, world.readings_on_disk());
        }
    }
}
