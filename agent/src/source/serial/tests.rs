//! An instrument on a pseudo terminal, and the test in the committer's place.
