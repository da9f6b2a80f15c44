//! A buffer in a directory of its own, and short words for what happens to it.

use std::sync::{Arc, LazyLock};

use penstock_shared::id::CommitNumber;
use penstock_shared::reading::{Reading, Series, TimestampMicros, Value};
use tempfile::TempDir;

use crate::buffer::{Buffer, BufferSettings, FullPolicy, Group, Lane, ReadLimits, Run, SentCommit};
use crate::delivery::DeadLetter;

pub(super) const EVERYTHING: ReadLimits = ReadLimits {
    readings: usize::MAX,
    readings_cap: usize::MAX,
    text_bytes_cap: usize::MAX,
    commits: usize::MAX,
};

pub(super) struct World {
    /// Removed with the world.
    _dir: TempDir,
    pub(super) settings: BufferSettings,
    buffer: Option<Buffer>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut BufferSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = BufferSettings::new(dir.path().join("buffer"));
        settings.min_free_bytes = 0;
        change(&mut settings);
        let buffer = Some(Buffer::open(settings.clone()).unwrap());
        Self { _dir: dir, settings, buffer }
    }

    /// A buffer of about six small segments.
    pub(super) fn small(policy: FullPolicy) -> Self {
        Self::with(|settings| {
            settings.quota_bytes = 6 << 20;
            settings.segment_bytes = 1 << 20;
            settings.policy = policy;
        })
    }

    pub(super) fn buffer(&self) -> &Buffer {
        self.buffer.as_ref().unwrap()
    }

    pub(super) fn close(&mut self) {
        self.buffer = None;
    }

    pub(super) fn reopen(&mut self) {
        self.close();
        self.buffer = Some(Buffer::open(self.settings.clone()).unwrap());
    }

    pub(super) fn append(&self, readings: usize) -> CommitNumber {
        self.buffer().append(&group(readings, 0)).unwrap()
    }

    /// Appends commits of incompressible text until as many segments stand on the disk.
    pub(super) fn fill_segments(&self, segments: usize) {
        while self.segment_names().len() < segments {
            self.buffer().append(&noise()).unwrap();
        }
    }

    pub(super) fn read_all(&self) -> Run {
        let (confirmed, _) = self.buffer().confirmed();
        self.buffer().read(Lane::Main, confirmed.next(), &EVERYTHING).unwrap()
    }

    /// Reads run after run as a forwarder does, and returns the readings found.
    pub(super) fn readings_on_disk(&self) -> u64 {
        let mut next = self.buffer().confirmed().0.next();
        let mut readings = 0;
        loop {
            let run = self.buffer().read(Lane::Main, next, &EVERYTHING).unwrap();
            let Some(last) = run.commits.last() else { return readings };
            next = last.commit.number.next();
            readings += run.commits.iter().map(|stored| stored.commit.readings.len() as u64).sum::<u64>();
        }
    }

    pub(super) fn confirm(&self, through: CommitNumber) {
        self.buffer().confirm(Lane::Main, through, &[]).unwrap();
    }

    pub(super) fn segment_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.settings.dir.join("segments")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(super) fn segment_dir(&self, place: usize) -> std::path::PathBuf {
        self.settings.dir.join("segments").join(&self.segment_names()[place])
    }

    pub(super) fn assert_balanced(&self) {
        // Reading comes first: it finds the damage that the counts then tell.
        let on_disk = self.readings_on_disk();
        let counts = self.buffer().counts();
        assert!(counts.is_balanced(), "{counts:?}");
        assert_eq!(counts.buffered, on_disk, "{counts:?}");
    }
}

pub(super) fn sent(run: &Run) -> Vec<SentCommit> {
    let commits = run.commits.iter().map(|stored| SentCommit {
        number: stored.commit.number,
        readings: u32::try_from(stored.commit.readings.len()).unwrap(),
        readings_through: stored.totals.readings,
        received_at: stored.received_at,
    });
    commits.collect()
}

pub(super) fn group(readings: usize, dead_letters: usize) -> Group {
    let series = Arc::new(Series::new("temperature", "gw/a").unwrap());
    let reading = |n: usize| Reading {
        series: Arc::clone(&series),
        time: TimestampMicros(i64::try_from(n).unwrap()),
        value: Value::Number(20.5),
    };
    Group {
        readings: (0..readings).map(reading).collect(),
        dead_letters: (0..dead_letters).map(letter).collect(),
        rejected: 0,
        received_at: TimestampMicros::now(),
    }
}

pub(super) fn letter(number: usize) -> DeadLetter {
    DeadLetter {
        arrived_at: TimestampMicros(1),
        origin: "mqtt a/b".into(),
        reason: "bad_json".into(),
        detail: number.to_string(),
        payload: b"{".to_vec(),
    }
}

/// Two readings of 40 kB that no compression makes smaller.
pub(super) fn noise() -> Group {
    of_texts([text(), text()])
}

/// As [`noise`], but the same each time: what is packed together becomes smaller.
pub(super) fn familiar_noise() -> Group {
    static TEXTS: LazyLock<[String; 2]> = LazyLock::new(|| [text(), text()]);
    of_texts(TEXTS.clone())
}

fn text() -> String {
    (0..40_000).map(|_| char::from(rand::random_range(33_u8..126))).collect()
}

fn of_texts(texts: [String; 2]) -> Group {
    let mut noise = group(texts.len(), 0);
    for (reading, text) in noise.readings.iter_mut().zip(texts) {
        reading.value = Value::Text(text);
    }
    noise
}
