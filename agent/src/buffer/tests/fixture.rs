//! A buffer that version 1 wrote still opens: an update must never cost a gateway what it holds.

use std::path::{Path, PathBuf};

use penstock_shared::id::CommitNumber;
use penstock_shared::report::RecordCounts;

use super::world::{World, group, letter};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/buffer-v1")
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_buffer_of_version_1_opens_with_all_that_it_holds() {
    let mut world = World::new();
    world.close();
    std::fs::remove_dir_all(&world.settings.dir).unwrap();
    copy(&fixture(), &world.settings.dir);
    world.reopen();
    let expected =
        RecordCounts { received: 17, stored: 3, buffered: 12, dead_lettered: 2, ..Default::default() };
    assert_eq!(world.buffer().counts(), expected);
    let run = world.read_all();
    assert_eq!(run.commits.iter().map(|stored| stored.commit.number.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(run.commits[1].commit.readings, group(8, 0).readings);
    assert_eq!(world.buffer().newest_dead_letters(9).unwrap(), [letter(0), letter(1)]);
    assert_eq!(world.append(1), CommitNumber(4));
    world.assert_balanced();
}

#[test]
#[ignore = "writes the fixture anew; only for a new version of the format"]
fn write_the_fixture() {
    let mut world = World::new();
    world.append(3);
    world.buffer().append(&group(4, 2)).unwrap();
    world.append(8);
    world.confirm(CommitNumber(1));
    world.close();
    std::fs::remove_file(world.settings.dir.join("reserve")).unwrap();
    copy(&world.settings.dir, &fixture());
}
